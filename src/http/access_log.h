// The access log: one line for each request, of the atoms that gunicorn has. The format is read
// once; what a request contributes is taken while its views are there, the rest when it is
// answered. Constant once made; any thread.
//
//   %(h)s client      %(p)s client's port  %(l)s -           %(u)s user of basic authorization
//   %(t)s time        %(r)s request line   %(m)s method      %(U)s path      %(q)s query
//   %(H)s protocol    %(s)s status         %(B)s bytes       %(b)s bytes or -
//   %(f)s referer     %(a)s user agent     %(T)s seconds     %(M)s ms        %(D)s µs
//   %(L)s decimal seconds                  %({name}i)s request field         %({name}o)s response
//   field             %({name}e)s environment variable       %% a percent sign
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/byte_buffer.h"
#include "http/request.h"

namespace allcores::http {

class access_log {
 public:
    // Throws std::invalid_argument that names an atom that there is not.
    explicit access_log(std::string_view format);

    struct answer {
        int status = 0;           // 0: there was none
        std::uint64_t bytes = 0;  // of the body
        std::uint64_t ns = 0;     // from the request to the answer's end
        std::int64_t unix_seconds = 0;
        std::string_view content_type;
        std::string_view fields;  // "Name: value\r\n" for each
    };

    // What the request contributes, in the format's order; the strings are used again. Of one that
    // has not come as a whole (message_state::so_far) "-" for what is not there.
    void take(const request& request, std::vector<std::string>& values) const;
    // The whole line.
    void write(byte_buffer& out, const std::vector<std::string>& values,
               const answer& answer) const;

 private:
    enum class kind : std::uint8_t {
        text,  // as it is, environment variables too
        host,
        port,
        user,
        line,
        method,
        path,
        query,
        protocol,
        in_field,
        time,
        status,
        bytes,
        bytes_or_dash,
        seconds,
        milliseconds,
        microseconds,
        decimal,
        out_field,
    };
    struct atom {
        kind what;
        std::string text;  // or a field's name, in lower case
    };
    static bool is_of_request(kind what) { return what >= kind::host && what <= kind::in_field; }
    static atom atom_of(std::string_view name);

    std::vector<atom> atoms_;
};

}  // namespace allcores::http
