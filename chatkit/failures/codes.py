"""The typed codes of the providers, and what the HTTP statuses say.

Codes come from the providers' own references and SDKs (the ``type``, ``code``, ``status``, ``reason`` … of an error body, the
names of exceptions). They are written as `normal` writes them: lower case, letters and digits alone, without the ending "error" or
"exception". One table serves all providers, since gateways pass on each other's errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from chatkit.errors import Kind

_FIRM: dict[Kind, str] = {
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
    "canceled": "abort canceled cancelled apiuserabort clientclosedrequest errcanceled requestcanceled requestcancelled",
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
}
"""Codes that decide whatever the status and the text say."""

_VAGUE: dict[Kind, str] = {
    "overloaded": "slowdown",
    "server_error": """
        aborted api badgateway dataloss generation internal internalfailure internalserver modelerror providerunavailable
        server serverunavailable serviceunavailable temporarilyunavailable theserviceiscurrentlyunavailable unavailable
        unreachablebackend upstream""",
    "auth": "forbidden permission permissiondenied thecallerdoesnothavepermissiontoexecutethespecifiedoperation",
    "invalid_request": """
        badrequest clientspecifiedaninvalidargument conflict failedprecondition imagetoolarge invalidargument invalidparameter
        invalidparametererror invalidprompt invalidrequest invalidvalue jsonvalidatefailed maxtokensexceeded methodnotallowed
        missingrequiredparameter notfound notimplemented notsupported outofrange paramvalidation preconditionfailed resourcenotfound
        somerequestedentitywasnotfound toolusefailed unimplemented unknownparameter unprocessable unprocessableentity
        unsupportedparameter unsupportedvalue validation""",
}
"""Codes that say no more than a status does: status and text may say it better, and these speak where both are silent."""

_FIRM_KINDS: dict[str, Kind] = {code: kind for kind, codes in _FIRM.items() for code in codes.split()}
_VAGUE_KINDS: dict[str, Kind] = {code: kind for kind, codes in _VAGUE.items() for code in codes.split()}

PRIORITY: tuple[Kind, ...] = (
    "quota",
    "context_exceeded",
    "content_filter",
    "model_not_found",
    "auth",
    "timeout",
    "overloaded",
    "rate_limit",
    "network",
    "server_error",
    "canceled",
    "invalid_request",
)
"""Of several codes in one error the more specific wins: ``insufficient_quota`` beside ``rate_limit_error``."""

_NOT_A_CODE_LETTER = re.compile(r"[^a-z0-9]+")


def normal(code: str) -> str:
    """A code as the tables have it.

    >>> [normal(c) for c in ("RESOURCE_EXHAUSTED", "com.amazon#ThrottlingException:http://x", "overloaded_error", "ECONNRESET")]
    ['resourceexhausted', 'throttling', 'overloaded', 'econnreset']
    """
    word = code[:160].rpartition("#")[2].partition(":")[0].lower()
    word = _NOT_A_CODE_LETTER.sub("", word)
    for ending in ("exception", "error"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word.removesuffix(ending)
    return word


def _readings(code: str) -> Iterable[str]:
    yield normal(code)
    if "." in code:  # Throttling.RateQuota, RateLimitExceeded.EndpointTPMExceeded, google.api_core.exceptions.ResourceExhausted
        first, _, rest = code.partition(".")
        yield normal(rest.rpartition(".")[2])
        yield normal(first)


def _kind(codes: Iterable[str], table: dict[str, Kind]) -> Kind | None:
    kinds = {table[word] for code in codes for word in _readings(code) if word in table}
    return min(kinds, key=PRIORITY.index) if kinds else None


def firm_kind(codes: Iterable[str]) -> Kind | None:
    """What the codes say that decide on their own; None where there is none.

    >>> firm_kind(["rate_limit_error", "enforced_spend_limit_reached"])
    'quota'
    """
    return _kind(codes, _FIRM_KINDS)


def quota_of_a_period(codes: Iterable[str]) -> bool:
    """Whether all that says "quota" is a code that some providers use for the limit of a minute as well."""
    return {word for code in codes for word in _readings(code) if _FIRM_KINDS.get(word) == "quota"} == {"quotaexceeded"}


_MACHINE_WORD = re.compile(r"\b[A-Za-z]{2,30}(?:_[A-Za-z0-9]{1,30}){1,6}\b")


def code_in_text(text: str) -> Kind | None:
    """What the codes say that stand bare in a sentence, such as ``Unhandled stop reason: model_context_window_exceeded``."""
    return firm_kind(_MACHINE_WORD.findall(text[:8_192])[:32])


def vague_kind(codes: Iterable[str]) -> Kind | None:
    """What the codes say that repeat a status; None where there is none."""
    return _kind(codes, _VAGUE_KINDS)


_STATUS_KINDS: dict[int, Kind] = {
    401: "auth",
    402: "quota",
    403: "auth",
    407: "auth",
    408: "timeout",
    413: "context_exceeded",
    429: "rate_limit",
    499: "canceled",
    501: "invalid_request",
    504: "timeout",
    505: "invalid_request",
    522: "timeout",
    524: "timeout",
    529: "overloaded",
    598: "timeout",
    599: "timeout",
}


def status_kind(status: int) -> Kind | None:
    """What an HTTP status says on its own; None below 300.

    An unknown 4xx is a refusal; any 5xx but 501 and 505 may pass. 499, 522, 524, 529, 598 and 599 are those of nginx,
    Cloudflare, Anthropic and proxies.
    """
    if status in _STATUS_KINDS:
        return _STATUS_KINDS[status]
    if 300 <= status < 500:
        return "invalid_request"
    return "server_error" if 500 <= status < 600 else None
