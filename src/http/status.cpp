#include "http/status.h"

#include <array>

namespace allcores::http {
namespace {

struct entry {
    int status;
    std::string_view line;
};

// IANA's registry of 2026-01, without the codes that it calls unused or temporary. The whole line,
// so that a response begins with one copy; the phrase is a part of it.
constexpr std::array table = {
#define ALLCORES_STATUS(code, phrase) entry{code, "HTTP/1.1 " #code " " phrase "\r\n"}
    ALLCORES_STATUS(100, "Continue"),
    ALLCORES_STATUS(101, "Switching Protocols"),
    ALLCORES_STATUS(102, "Processing"),
    ALLCORES_STATUS(103, "Early Hints"),
    ALLCORES_STATUS(200, "OK"),
    ALLCORES_STATUS(201, "Created"),
    ALLCORES_STATUS(202, "Accepted"),
    ALLCORES_STATUS(203, "Non-Authoritative Information"),
    ALLCORES_STATUS(204, "No Content"),
    ALLCORES_STATUS(205, "Reset Content"),
    ALLCORES_STATUS(206, "Partial Content"),
    ALLCORES_STATUS(207, "Multi-Status"),
    ALLCORES_STATUS(208, "Already Reported"),
    ALLCORES_STATUS(226, "IM Used"),
    ALLCORES_STATUS(300, "Multiple Choices"),
    ALLCORES_STATUS(301, "Moved Permanently"),
    ALLCORES_STATUS(302, "Found"),
    ALLCORES_STATUS(303, "See Other"),
    ALLCORES_STATUS(304, "Not Modified"),
    ALLCORES_STATUS(305, "Use Proxy"),
    ALLCORES_STATUS(307, "Temporary Redirect"),
    ALLCORES_STATUS(308, "Permanent Redirect"),
    ALLCORES_STATUS(400, "Bad Request"),
    ALLCORES_STATUS(401, "Unauthorized"),
    ALLCORES_STATUS(402, "Payment Required"),
    ALLCORES_STATUS(403, "Forbidden"),
    ALLCORES_STATUS(404, "Not Found"),
    ALLCORES_STATUS(405, "Method Not Allowed"),
    ALLCORES_STATUS(406, "Not Acceptable"),
    ALLCORES_STATUS(407, "Proxy Authentication Required"),
    ALLCORES_STATUS(408, "Request Timeout"),
    ALLCORES_STATUS(409, "Conflict"),
    ALLCORES_STATUS(410, "Gone"),
    ALLCORES_STATUS(411, "Length Required"),
    ALLCORES_STATUS(412, "Precondition Failed"),
    ALLCORES_STATUS(413, "Content Too Large"),
    ALLCORES_STATUS(414, "URI Too Long"),
    ALLCORES_STATUS(415, "Unsupported Media Type"),
    ALLCORES_STATUS(416, "Range Not Satisfiable"),
    ALLCORES_STATUS(417, "Expectation Failed"),
    ALLCORES_STATUS(421, "Misdirected Request"),
    ALLCORES_STATUS(422, "Unprocessable Content"),
    ALLCORES_STATUS(423, "Locked"),
    ALLCORES_STATUS(424, "Failed Dependency"),
    ALLCORES_STATUS(425, "Too Early"),
    ALLCORES_STATUS(426, "Upgrade Required"),
    ALLCORES_STATUS(428, "Precondition Required"),
    ALLCORES_STATUS(429, "Too Many Requests"),
    ALLCORES_STATUS(431, "Request Header Fields Too Large"),
    ALLCORES_STATUS(451, "Unavailable For Legal Reasons"),
    ALLCORES_STATUS(500, "Internal Server Error"),
    ALLCORES_STATUS(501, "Not Implemented"),
    ALLCORES_STATUS(502, "Bad Gateway"),
    ALLCORES_STATUS(503, "Service Unavailable"),
    ALLCORES_STATUS(504, "Gateway Timeout"),
    ALLCORES_STATUS(505, "HTTP Version Not Supported"),
    ALLCORES_STATUS(506, "Variant Also Negotiates"),
    ALLCORES_STATUS(507, "Insufficient Storage"),
    ALLCORES_STATUS(508, "Loop Detected"),
    ALLCORES_STATUS(511, "Network Authentication Required"),
#undef ALLCORES_STATUS
};

constexpr int first_status = 100;
constexpr int last_status = 511;

// For each code its place in the table plus one, or 0.
constexpr auto places = [] {
    std::array<unsigned char, last_status - first_status + 1> result{};
    for (std::size_t i = 0; i < table.size(); ++i) {
        result[static_cast<std::size_t>(table[i].status - first_status)] =
            static_cast<unsigned char>(i + 1);
    }
    return result;
}();

constexpr std::size_t before_phrase = std::string_view{"HTTP/1.1 200 "}.size();
constexpr std::size_t after_phrase = std::string_view{"\r\n"}.size();

}  // namespace

std::string_view status_line(int status) {
    if (status < first_status || status > last_status) return {};
    const std::size_t place = places[static_cast<std::size_t>(status - first_status)];
    return place == 0 ? std::string_view{} : table[place - 1].line;
}

std::string_view reason_phrase(int status) {
    const std::string_view line = status_line(status);
    if (line.empty()) return {};
    return line.substr(before_phrase, line.size() - before_phrase - after_phrase);
}

}  // namespace allcores::http
