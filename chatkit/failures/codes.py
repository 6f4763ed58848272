"""What the typed codes of providers and the HTTP statuses mean.

The codes come from the providers' references and SDKs: the ``type``, ``code``, ``status`` or ``reason`` of an error body, and
the names of exceptions. They are written as `_normal` writes them: in lower case, letters and digits only, without the ending
"error" or "exception". One table serves all providers, since gateways pass on each other's errors. Where an error has several
codes, the kind that comes first in the table wins: ``insufficient_quota`` beside ``rate_limit_error`` is a quota.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from chatkit.errors import Kind


def word_set(text: str) -> frozenset[str]:
    """The words of a table."""
    return frozenset(text.split())


_FIRM_CODES: dict[Kind, str] = {
    "quota": """
        arrearage accountoverdue billing billingdisabled billinghardlimitreached billingnotactive budgetexceeded consumptionlimitreached
        contractspendlimitreached creditbalanceexhausted creditlimit creditsexhausted enforcedspendlimitreached exceededcurrentquota
        freetierdaily insufficientbalance insufficientcredits insufficientfunds insufficientg1creditsbalance
        insufficientquota linkedorganizationbillingunavailable
        linkedorganizationspendlimitreached openroutercredits openrouterfreetierdaily organizationspendlimitexceeded
        organizationusagelimitexceeded outofcredits paymentrequired projectspendlimitexceeded quotaexceeded quotaexhausted quotalimitreached
        servicequotaexceeded spendlimitreached usagelimitreached usagenotincluded dailylimitexceeded""",
    "context_exceeded": """
        contentlengthexceeded contenttoolarge contextexceeded contextlengthexceeded contextoverflow contextwindowexceeded exceedcontextsize
        inputtoolong inputtoolarge modelcontextwindowexceeded payloadtoolarge prompttoolong requestbodytoolarge
        requestbodytoolargeafterdecoding requestentitytoolarge requesttoolarge stringabovemaxlength stringtoolong tokenslimitreached""",
    "content_filter": """
        biopolicy blocklist contentblocked contentfilter contentfiltered contentfilterfinishreason contentmoderation contentpolicy
        contentpolicyviolation cyberpolicy datainspectionfailed guardrailintervened imagecontentpolicyviolation imagesafety
        inputtextsensitivecontentdetected misalignmentpolicyviolation moderation moderationblocked outputtextsensitivecontentdetected
        policyviolation prohibitedcontent refusal responsibleaipolicyviolation safety sensitivecontentdetected spii unsafecontent""",
    "model_not_found": """
        deploymentnotfound invalidmodel invalidmodelid modeldecommissioned modeldeprecated modeldoesnotexist modelnotavailable
        modelnotexist modelnotfound modelnotopen modelnotsupported modelretired nosuchmodel unavailablemodel unknownmodel
        unsupportedmodel""",
    "auth": """
        accesstokenexpired accesstokenscopeinsufficient accessdenied accountdeactivated apikeyexpired apikeyinvalid apikeyserviceblocked
        auth authentication authexpired clientauthentication consumerinvalid consumersuspended credentialretrieval
        credentials defaultcredentials expiredtoken incompletesignature incorrectapikey invalidapikey invalidauthentication
        invalidauthenticationtoken invalidclienttokenid invalidsignature invalidsubscriptionkey ipnotauthorized missingapikey
        missingauthenticationtoken nocredentials notauthorized organizationonhold organizationrestricted partialcredentials
        requestexpired servicedisabled signaturedoesnotmatch ssotokenload tokenexpired tokennotfoundindb tokenretrieval unauthenticated
        unauthorized unauthorizedssotoken unrecognizedclient unsupportedcountry unsupportedcountryregionterritory wrongapikey""",
    "timeout": """
        apiconnectiontimeout apitimeout bodytimeout connecttimeout connectiontimeout deadlineexceeded esockettimedout etimedout
        gatewaytimeout headerstimeout inferencetimeout modeltimeout pooltimeout readtimeout requesttimedout requesttimeout
        servertimeout servicerequesttimeout serviceresponsetimeout sockettimeout timeout underrbodytimeout underrconnecttimeout
        underrheaderstimeout upstreamtimeout vectorstoretimeout writetimeout""",
    "overloaded": """
        capacityexceeded enginebusy engineoverloaded modelcapacityexceeded modelcapacityexhausted modelloading modelnotready
        modeloverloaded nocapacity overcapacity overloaded provideroverloaded queueexceeded queuefull resourceunavailable serverbusy
        serverisoverloaded serveroverloaded servicetiercapacityexceeded systemcpuoverloaded toobusy""",
    "rate_limit": """
        allocationquota burstrate inflightbudgetexhausted limitburstrate limitrequests modelratelimit openrouterinflightbudget
        provisionedthroughputexceeded ramplimitexceeded ratelimit ratelimited ratelimitexceeded ratelimitreached ratelimitreachedrequests
        ratelimitreachedtokens ratequota requestlimitexceeded requestquotaexceeded requestthrottled resourceexhausted
        someresourcehasbeenexhausted throttled throttling throttle tokenquotaexceeded toomanyrequests userglobalratelimited
        usermodelratelimited userratelimitexceeded userweeklyratelimited""",
    "network": """
        econnaborted econnrefused econnreset ehostunreach eaiagain enetunreach enotfound epipe errhttp2stream errnetwork
        errstreamprematureclose underrsocket connectionreset connectionclosed""",
    "server_error": "enginedead modelstreamerror",
    "canceled": "abort canceled cancelled apiuserabort clientclosedrequest errcanceled requestcanceled requestcancelled",
}
"""Codes that decide, whatever the status and the text are."""

_VAGUE_CODES: dict[Kind, str] = {
    "auth": "forbidden permission permissiondenied thecallerdoesnothavepermissiontoexecutethespecifiedoperation",
    "overloaded": "slowdown",
    "server_error": """
        aborted api badgateway dataloss generation internal internalfailure internalserver modelerror providerunavailable
        server serverunavailable serviceunavailable temporarilyunavailable theserviceiscurrentlyunavailable unavailable
        unreachablebackend upstream""",
    "invalid_request": """
        badrequest clientspecifiedaninvalidargument conflict failedprecondition imagetoolarge invalidargument invalidparameter
        invalidparametererror invalidprompt invalidrequest invalidvalue jsonvalidatefailed maxtokensexceeded methodnotallowed
        missingrequiredparameter notfound notimplemented notsupported outofrange paramvalidation preconditionfailed resourcenotfound
        somerequestedentitywasnotfound toolusefailed unimplemented unknownparameter unprocessable unprocessableentity
        unsupportedparameter unsupportedvalue validation""",
}
"""Codes that only repeat a status: the status and the text may be more exact, and these decide where both say nothing."""

_FIRM = {kind: word_set(codes) for kind, codes in _FIRM_CODES.items()}
_VAGUE = {kind: word_set(codes) for kind, codes in _VAGUE_CODES.items()}
_NOT_A_CODE_LETTER = re.compile(r"[^a-z0-9]+")
_CODE_IN_TEXT = re.compile(r"\b[A-Za-z]{2,30}(?:_[A-Za-z0-9]{1,30}){1,6}\b")


def _normal(code: str) -> str:
    """A code as it is written in the tables.

    >>> [_normal(c) for c in ("RESOURCE_EXHAUSTED", "com.amazon#ThrottlingException:http://x", "overloaded_error", "ECONNRESET")]
    ['resourceexhausted', 'throttling', 'overloaded', 'econnreset']
    """
    word = code[:160].rpartition("#")[2].partition(":")[0].lower()
    word = _NOT_A_CODE_LETTER.sub("", word)
    for ending in ("exception", "error"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word.removesuffix(ending)
    return word


def _readings(codes: Iterable[str]) -> Iterator[str]:
    """Each code, and the two ends of one with dots, such as ``Throttling.RateQuota`` and ``google.api_core.ResourceExhausted``."""
    for code in codes:
        yield _normal(code)
        if "." in code:
            first, _, rest = code.partition(".")
            yield _normal(rest.rpartition(".")[2])
            yield _normal(first)


def _kind(codes: Iterable[str], table: dict[Kind, frozenset[str]]) -> Kind | None:
    words = set(_readings(codes))
    return next((kind for kind, known in table.items() if not known.isdisjoint(words)), None)


def firm_kind(codes: Iterable[str]) -> Kind | None:
    """The kind that the codes decide on their own, if any.

    >>> firm_kind(["rate_limit_error", "enforced_spend_limit_reached"])
    'quota'
    """
    return _kind(codes, _FIRM)


def vague_kind(codes: Iterable[str]) -> Kind | None:
    """The kind of the codes that only repeat a status, if any."""
    return _kind(codes, _VAGUE)


def kind_of_code_in_text(text: str) -> Kind | None:
    """The kind of a code inside a sentence, such as ``Unhandled stop reason: model_context_window_exceeded``."""
    return firm_kind(_CODE_IN_TEXT.findall(text[:8_192])[:32])


def may_be_quota_of_a_minute(codes: Iterable[str]) -> bool:
    """Whether the only code for a quota is one that some providers also use for the limit of a minute."""
    return _FIRM["quota"].intersection(_readings(codes)) == {"quotaexceeded"}


_STATUSES: dict[Kind, tuple[int, ...]] = {
    "auth": (401, 403, 407),
    "quota": (402,),
    "timeout": (408, 504, 522, 524, 598, 599),
    "context_exceeded": (413,),
    "rate_limit": (429,),
    "canceled": (499,),
    "overloaded": (529,),
    "invalid_request": (501, 505),
}
"""499 is from nginx, 522 and 524 from Cloudflare, 529 from Anthropic, 598 and 599 from proxies."""


def status_kind(status: int) -> Kind | None:
    """What an HTTP status means on its own; None below 300.

    A 4xx that isn't in the table is a refusal; a 5xx that isn't in the table may pass.
    """
    for kind, statuses in _STATUSES.items():
        if status in statuses:
            return kind
    if 300 <= status < 500:
        return "invalid_request"
    return "server_error" if 500 <= status < 600 else None
