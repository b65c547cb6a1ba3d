// Status codes: their reason phrases and what they say about the body (RFC 9110 section 15, RFC
// 9112 section 6.3). Pure functions, any thread.
#pragma once

#include <string_view>

namespace allcores::http {

// The registered phrase, as "Not Found" for 404; empty for a code that IANA's registry does not
// have (the phrase may be empty on the wire).
std::string_view reason_phrase(int status);

// "HTTP/1.1 200 OK\r\n", ready to be sent; empty for a code that is not in the registry.
std::string_view status_line(int status);

// The response ends with its header, whatever that says: 1xx, 204, 304. (So does any response to
// HEAD.)
constexpr bool has_no_body(int status) {
    return (status >= 100 && status < 200) || status == 204 || status == 304;
}

// Content-Length and Transfer-Encoding must not be sent: 1xx and 204. (304 may name the length that
// 200 would have.)
constexpr bool has_no_length(int status) {
    return (status >= 100 && status < 200) || status == 204;
}

// The body must be empty, though it is framed like any other (Content-Length: 0): 205.
constexpr bool has_empty_body(int status) {
    return status == 205;
}

}  // namespace allcores::http
