"""What the text of an error means, where the codes, the class and the status leave it open.

The patterns are whole expressions of a provider, a client or a gateway, never a bare word: "quota", "billing", "limit", "token",
"key" and "eof" occur in errors of every kind. Every pattern takes linear time.
"""

from __future__ import annotations

import re
from collections.abc import Container
from functools import cache

from chatkit.errors import Kind

_TEXTS: dict[Kind, str] = {
    "canceled": r"""
        request was aborted|request (?:was )?cancell?ed|operation was (?:aborted|cancell?ed)|aborted by (?:the )?user
        user (?:aborted|cancell?ed)|user has cancell?ed|context cancell?ed|client (?:disconnected|closed request)
        ^\W*(?:aborterror|this operation was aborted)|\berr_canceled\b""",
    "context_exceeded": r"""
        (?:prompt|input|request|conversation|messages?) (?:is|are) too long|(?:prompt|input|messages?|request) too long
        request (?:body |entity )?too large|(?:request|payload|content|body|prompt|input|message) (?:is )?too large
        request exceeds the maximum size|request size exceeds|exceeds? (?:the )?(?:model'?s? )?(?:maximum )?context
        (?:maximum|max) context (?:length|window|size)|maximum prompt length is|maximum (?:allowed )?input length
        token count of \d{1,12} exceeds the limit|exceeded model token limit|context length is only
        (?:prompt|input) exceeds? (?:the )?max(?:imum)? (?:length|tokens)|context window is \S{1,12} tokens|range of input length
        context[ _-](?:length|window|size|limit)\b[^.\n]{0,60}\b(?:exceed|overflow|too (?:small|long)|reached|of only)
        (?:exceed|overflow)\w{0,3}\b[^.\n]{0,80}\bcontext[ _-]?(?:length|window|size|limit)
        (?:larger|longer|greater) than\b[^.\n]{0,80}\bcontext[ _-]?(?:length|window|size|limit)
        context the overflows|tokens? to keep from the initial prompt|input tokens? (?:count )?(?:\(\d{1,12}\) )?exceeds?
        input tokens exceed|exceeds the maximum number of (?:input )?tokens|too many (?:input )?tokens: (?!max tokens)
        too many (?:input|prompt) tokens|too many tokens in the (?:prompt|input|request)|prompt tokens? limit exceeded
        reduce (?:the |your )?(?:length of (?:the |your )?(?:messages|prompt|input|either)|prompt length|input length)
        `?inputs`? tokens \+ `?max_new_tokens`? must be|`?inputs`? must have less than \d{1,12} tokens|string too long\. expected
        (?:prompt|input)(?: you sent)? (?:contains|has) \d{1,12} tokens
        (?:input|prompt) length (?:of )?\d{1,12} exceeds|number of tokens (?:\(\d{1,12}\) )?exceeds
        input (?:is )?(?:over|exceeds) the (?:limit|maximum)|超.{0,12}上下文|上下文.{0,12}(?:超|过长)""",
    "quota": r"""
        credit balance (?:is )?too low|insufficient (?:\w{1,12} ){0,4}(?:balance|credits?|funds|quota)|out of credits
        ran out of credits|no (?:remaining )?credits? (?:left|remaining|available)|(?:have|has) (?:any|no) credits
        all available credits|requires more credits|can only afford|exceeded your monthly (?:included )?credits
        (?:spending|spend|usage) (?:limit|threshold|cap)s?\b[^.\n]{0,60}\b(?:reached|exceeded|crossed|hit)
        reach(?:ed|ing) (?:your|its|the) (?:specified )?(?:\w{1,12} )?(?:monthly |api )?(?:spending|spend|usage|billing) limits?
        billing hard limit|billing (?:is )?not active|account is not active
        (?:\d-hour|hourly|daily|weekly|monthly|session) limit (?:reached|exhausted|exceeded)
        hit your (?:(?:chatgpt|usage|account|plan|session|daily|weekly|monthly) ){0,3}limit\b
        used up (?:all )?your (?:points|credits|quota|balance)|reached your usage limit|budget (?:has been )?exceeded
        exceeded (?:the |your )?budget|over budget|exceededbudget|you have no quota|quota (?:has been )?exhausted
        usage limit has been reached|daily free allocation|key limit exceeded|suspended due to (?:insufficient|unpaid)|payment required
        purchase (?:more )?credits|account (?:is )?(?:overdue|in arrears)|余额不足|欠费|额度(?:不足|已用)""",
    "content_filter": r"""
        content[ _-](?:filter|filtering|management|moderation|safety|policy)|flagged (?:by|as|for)|(?:was|been|input) flagged
        usage polic(?:y|ies)|content exists risk|inappropriate content|prohibited content|sensitive (?:content|words?|information)
        responsible ai
        blocked (?:by|due to|for|because of) (?:\w{1,12} ){0,3}(?:safety|polic|content|guardrail|moderation|prohibited)
        safety (?:system|filter|settings|reasons|policy|policies)|guardrail (?:intervened|blocked)
        violat\w{1,4} (?:\w{1,12} ){0,3}polic|requires moderation|敏感|违规""",
    "rate_limit": r"""
        \brate[ _-]?limit|too many requests|too many tokens, please wait
        throttl(?:ed|ing)|requests? (?:limit )?exceeded for|requests per (?:min|second|hour)|tokens per (?:min|second|hour)
        (?:rpm|tpm) limit|exceeded your current quota|quota exceeded\W{1,3}(?:please )?check your plan|too many tokens per
        rate exceeded|concurrency limit|exceeded your copilot|slow down|request rate is too high|请求过于频繁|速率限制""",
    "overloaded": r"""
        overload|over capacity|at (?:full )?capacity|capacity (?:temporarily )?exceeded|exceeded capacity|out of capacity
        no capacity|insufficient capacity|capacity (?:constraint|limit)s?|no_kv_space|capacity on this model
        high (?:demand|traffic|load)|(?:server|service|system|engine|model) (?:is )?(?:currently )?(?:too )?busy|too busy
        server_busy|pending requests exceeded|queue (?:is )?full|model is (?:currently |still )?(?:loading|warming)|loading model
        is currently loading|still loading|model (?:is )?not ready|not ready to serve|heavy load|服务器繁忙|负载""",
    "model_not_found": r"""
        \bmodels?\b[^.\n]{0,20}?\b(?:not found|not exist|does(?: not|n't) exist|no longer available|not available)
        \bmodels?[ :/`'"]\S{1,120} (?:is |was )?(?:not found|not exist|does(?: not|n't) exist|not available|no longer available)
        \bmodel\b[^.\n]{0,100}\b(?:deprecated|decommissioned|retired|end of its life|as legacy|not found|does not exist)
        (?:unknown|invalid|no such|unrecognized|unsupported) model\b|invalid model (?:name|id)|not a valid model
        model (?:name )?(?:is )?invalid|model identifier is invalid|requested model\b[^.\n]{0,80}\bnot supported
        model is not supported|no endpoints found for|unable to access model|deployment\b[^.\n]{0,60}\bdoes not exist
        deployment not found|could not find (?:the )?model|no model named|no models? loaded|model not found
        is not found for api version
        (?:^|\n|[:-] )\W{0,3}model: [\w./:@-]{1,120}["'}\s.]{0,4}(?:$|\n)
        (?:foundation )?model from the (?:provided )?model identifier|模型不存在""",
    "auth": r"""
        (?:invalid|incorrect|expired|missing|wrong|malformed|bad|no) (?:x-|openai )?(?:api|access)[ _-]?(?:key|token)
        (?:invalid|incorrect|expired|missing|wrong) (?:subscription|proxy server) (?:key|token)
        api[ _-]?key (?:not valid|not found|is invalid|invalid|expired|was reported|not provided|is (?:missing|required)|must be)
        (?:api key|account|organization) (?:has been |was |is )?(?:revoked|deactivated|disabled|deleted|suspended)
        could not (?:authenticate|validate)|no (?:credentials|api key)\b|insufficient permissions|missing scopes?|must be verified
        authentication is (?:currently )?not|api_key (?:client option )?must be set|unauthori[sz]ed|not authori[sz]ed
        authentication (?:fail|error|required|method)|authenticat(?:e|ion)fail|invalid authentication
        invalid (?:bearer|auth|access|api|jwt|security) token|token (?:has |is )?expired|expired token|permission denied
        access denied|accessdenied|access to this (?:model|resource)|forbidden|unable to locate credentials
        credentials? (?:not found|were not|could not|expired|missing)|invalid (?:api )?credentials|no auth credentials
        security token included in the request|signature (?:does not|we calculated|expired)
        do(?:es)? not have (?:the )?(?:permission|access)|don'?t have (?:permission|access)|caller does not have permission
        not allowed (?:to|for) (?:access|this organi)|country, region, or territory not supported|api key provided""",
    "timeout": r"""
        timed[ -]out|time(?:out| out) (?:exceeded|error|reached|expired|while|waiting|after|of \d)
        (?:request|read|connect|connection|idle|gateway|upstream|socket|response|operation|stream|handshake|i/o|network) time-?out
        deadline (?:exceeded|expired)|etimedout|esockettimedout|und_err_(?:headers|body|connect)_timeout|stream idle
        no response (?:received )?within""",
    "network": r"""
        connection (?:was |is |already |has been )?(?:reset|refused|aborted|closed|lost|broken|error|terminated|failed|forcibly|dropped)
        connection (?:was )?interrupted
        connection attempts failed|econn(?:reset|refused|aborted)|\benetreset\b|\behostdown\b|\bepipe\b|broken pipe|socket hang up
        enotfound|eai_again|enetunreach|ehostunreach|network[ _](?:is unreachable|error|changed|request failed)|no route to host
        no address associated|transport failure|connectionterminated|streamreset|non-properly terminated|name resolution
        name or service not known|nodename nor servname|getaddrinfo|no such host|could not resolve|failed to resolve
        dns (?:error|lookup)|server disconnected|peer closed|other side closed|closed (?:the )?connection|premature(?:ly)? (?:close|end)
        unexpected(?:ly)? (?:eof|closed|disconnect|end of (?:file|stream|json|data|input))|unexpected_eof|eof occurred in violation
        with \d{1,18} bytes (?:missing|remaining to read)
        incomplete (?:chunked )?(?:read|message|response|body|stream)|incompleteread|payload is not completed
        (?:stream|response|body)[^.\n]{0,40}\b(?:closed|ended|disconnected|interrupted|cut|terminated) (?:before|without|early|mid)
        stream (?:disconnected|closed|reset|interrupted|error)
        without (?:a )?(?:finish_reason|message_stop|terminal event|\[done\]|sending any)|before receiving
        ^\W{0,3}(?:error: )?aborted\W{0,3}$|mid-(?:stream|response)|received from peer|rst_stream|goaway|err_http2|err_network
        err_stream|und_err_socket|fetch failed|failed to fetch|^\W{0,3}(?:typeerror: )?terminated\W{0,3}$|upstream connect error
        disconnect/reset|error sending request|error decoding response body|connect error
        (?:can't|cannot|could not|couldn't|failed to|unable to) connect
        unterminated string|expecting (?:value|property name|',' delimiter|':' delimiter)
        invalid control character|extra data: line|unexpected end of json|unexpected token [^<]|invalid character '[^<]
        bad control character|in json at position|failed to parse json|json(?:decode| parse| parsing) ?error|invalid json
        tls: bad record|bad_record_mac|ssl3_get_record|http2: (?:server|client|transport)|malformed chunked
        transfer(?:-| )encoding error""",
    "server_error": r"""
        internal(?: server)?[ _]?error|internalservererror|server (?:had an )?error|server_error|bad gateway
        service (?:is )?(?:temporarily |currently )?unavailable|temporarily unavailable|gateway error|no healthy upstream
        something went wrong|unexpected error|an error occurred while processing|provider returned error
        upstream (?:error|request failed|provider)|runner (?:has )?(?:unexpectedly )?stopped|runner process|has crashed
        model (?:has )?crashed|empty (?:response|reply|completion)
        no (?:output|content|choices|candidates)\b[^.\n]{0,20}(?:generated|returned|received)|try your request again
        retry your request""",
    "invalid_request": r"""
        invalid (?:request|argument|parameter|value|type|input|prompt|json body)|bad request|unsupported (?:parameter|value)
        unknown (?:parameter|field|name)|extra inputs are not permitted|field required|missing required|validation error
        is not supported|does not support|must be (?:one of|a |an |less|greater|at )|should match|max(?:imum)? allowed
        method not allowed|not implemented""",
}
"""Every line is a list of alternatives; the kinds are tried in this order."""

ONLY_TLS = re.compile(
    r"HTTP request (?:was sent )?to (?:an )?HTTPS|\[SSL: HTTP_REQUEST\]|illegal status line: bytearray\(b'\\x15\\x03", re.I
)
"""What a server that speaks TLS alone says or sends (an alert) where no TLS came."""

CERTAIN_REFUSAL = re.compile(
    r"CERTIFICATE_|certificate (?:verify|has|is|required|unknown|signed)|self[- ]signed certificate|unable to get (?:local )?issuer"
    r"|unable to verify the (?:first|leaf)|hostname mismatch|doesn't match certificate|wrong[ _]version[ _]number|UNSUPPORTED_PROTOCOL"
    r"|TLSV1_ALERT_PROTOCOL_VERSION|TLSV1_ALERT_UNKNOWN_CA|NO_PROTOCOLS_AVAILABLE|record[ _]layer[ _]failure|x509:|\bunknown ca\b"
    r"|SELF_SIGNED_CERT|UNABLE_TO_VERIFY_LEAF|UNABLE_TO_GET_ISSUER|CERT_HAS_EXPIRED|ERR_TLS_CERT|first record does not look like a TLS"
    r"|\[SSL\] PEM lib|\[PEM\b|\[X509\b"
    rf"|gave HTTP response to HTTPS client|{ONLY_TLS.pattern}"
    r"|illegal header(?! line)|invalid header (?:value|name|field)"
    r"|missing an? '?http|unsupported protocol|no connection adapters|no scheme supplied|unknown url type"
    r"|ERR_INVALID_URL|ERR_INVALID_CHAR|failed to parse url|'idna' codec",
    re.I,
)
"""Failures to connect that will happen again: certificates, versions of TLS, schemes, illegal headers."""

ZERO_LIMIT = re.compile(r"\blimit(?: of| is|:|=)?\s{0,2}0\b(?![.,]?\d)", re.I)
"""A limit of zero, as in ``limit: 0, model: …``."""

DAY_LIMIT = re.compile(
    r"\bper[ _-]?(?:day|week|month)|perday|perweek|permonth|/ ?(?:day|week|month)\b|\b(?:rpd|tpd)\b|byday\b|per 86400|\bdaily\b"
    r"|\b(?:weekly|monthly)\b[ a-z-]{0,40}(?:limit|quota|allocation|credit|usage|allowance|cap\b|threshold|request|token|message)",
    re.I,
)
"""A limit per day or longer."""

MINUTE_LIMIT = re.compile(r"\bper[ _-]?(?:min|sec|hour)|perminute|persecond|perhour|/ ?(?:min|sec|hour)\b|\b(?:rpm|tpm|rps)\b", re.I)
"""A limit per hour or shorter."""

TOO_LARGE = re.compile(
    r"request (?:body |entity )?too large|(?:request|payload|body|prompt|input) (?:is )?too large|maximum context (?:length|window)"
    r"|prompt is too long|input is too long|must be reduced in order to run",
    re.I,
)
"""One request that is larger than the whole rate limit, so that waiting does not help."""

CUT_BY_PEER = re.compile(r"received from peer|rst_stream|goaway|stream id \d|by peer\b", re.I)
"""A cancellation or reset by the other side."""

CURRENT_QUOTA = re.compile(r"(?:exceeded your current quota|quota exceeded)\W{1,3}(?:please )?check your plan", re.I)
"""What OpenAI says of an empty account, and Google of the limit of any period."""

GOOGLE = re.compile(r"generativelanguage|ai\.google\.dev|googleapis|aiplatform|quota exceeded for metric", re.I)
"""Google, which calls the limit of a minute "your current quota"."""

_HTML_FOR_JSON = re.compile(
    r"unexpected token ['\"]?<|invalid character '<'|<!doctype|<html|text/html|received html|html (?:response|page|instead)", re.I
)
_BY_TIMEOUT = re.compile(r"time-?out|timed out", re.I)


@cache
def _patterns() -> tuple[tuple[Kind, re.Pattern[str]], ...]:
    canceled, *others = (
        (kind, re.compile("|".join(line.strip() for line in texts.strip().splitlines()), re.I)) for kind, texts in _TEXTS.items()
    )
    return (canceled, ("invalid_request", CERTAIN_REFUSAL), *others)


def text_kind(text: str, among: Container[Kind] | None = None) -> Kind | None:
    """The kind that a text without addresses speaks of, if any; `among` limits it to some kinds."""
    if _HTML_FOR_JSON.search(text):
        return "server_error" if among is None or "server_error" in among else None
    for kind, pattern in _patterns():
        if (among is None or kind in among) and pattern.search(text):
            if kind == "canceled" and (CUT_BY_PEER.search(text) or _BY_TIMEOUT.search(text)):
                continue
            return kind
    return None
