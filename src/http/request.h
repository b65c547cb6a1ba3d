// One parsed request, as the application sees it. All views point into the connection's input: they
// are valid only while application::handle() runs, on its thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "http/syntax.h"

namespace allcores::http {

// The other end of a connection: numeric host ("127.0.0.1", "::1") and port.
struct peer {
    std::string host;
    std::uint16_t port = 0;
};

// A header field as received, without the white space around its value. Names keep the client's
// case.
struct field {
    std::string_view name, value;
};

struct request {
    std::string_view method;
    std::string_view target;  // as received
    std::string_view
        path;  // raw (not decoded), before the '?'; of an absolute target its path, at least "/"
    std::string_view query;          // raw, after the '?'; empty when there is none
    std::uint8_t method_number;      // llhttp's number of the method
    std::span<const field> headers;  // as received, in order; fields of a trailer are dropped
    std::string_view body;           // de-chunked; whole, or what has come of it
    bool whole;                      // the body is complete, and all of it is here
    bool ended;                      // it is complete; what is not here is with the exchange
    bool chunked;                    // it came so
    std::uint64_t content_length;    // as declared; 0 where it was not
    std::uint8_t major, minor;       // 1.0 or 1.1
    bool keep_alive;                 // what the client wants, after the rules of its version
    const peer& client;              // as a trusted proxy names it, where there is one
    std::string_view scheme = "http";

    // The first field of that name; one without data() when there is none.
    std::string_view header(std::string_view lower_case_name) const {
        for (const field& each : headers) {
            if (equal_ignoring_case(each.name, lower_case_name)) return each.value;
        }
        return {};
    }
};

}  // namespace allcores::http
