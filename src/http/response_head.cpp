#include "http/response_head.h"

#include <charconv>
#include <cstring>
#include <string_view>

#include "http/date.h"
#include "http/status.h"

namespace allcores::http {
namespace {

constexpr std::string_view length_name = "Content-Length: ";
constexpr std::string_view coding_line = "Transfer-Encoding: chunked\r\n";
constexpr std::size_t most_digits = 20;

char* put(char* to, std::string_view text) {
    std::memcpy(to, text.data(), text.size());
    return to + text.size();
}

std::string_view line_of(head_writer::connection said) {
    switch (said) {
        case head_writer::connection::close:
            return "Connection: close\r\n";
        case head_writer::connection::keep_alive:
            return "Connection: keep-alive\r\n";
        default:
            return {};
    }
}

}  // namespace

void head_writer::new_second(std::int64_t seconds) {
    seconds_ = seconds;
    date_ = "Date: " + format_date(seconds) + "\r\n";
    prefix_status_ = 0;
}

void head_writer::make_prefix(const response& response) {
    std::string_view line = status_line(response.status());
    if (line.empty() || !response.reason().empty()) {
        prefix_ =
            "HTTP/1.1 " + std::to_string(response.status()) + " " + response.reason() + "\r\n";
    } else {
        prefix_ = line;
    }
    if (says_date_ && !response.names_date()) prefix_ += date_;
    if (!server_name_.empty() && !response.names_server()) {
        prefix_.append("Server: ").append(server_name_).append("\r\n");
    }
    prefix_ += fields_;
    if (!response.content_type().empty()) {
        prefix_.append("Content-Type: ").append(response.content_type()).append("\r\n");
    }
    prefix_type_ = response.content_type();
    prefix_status_ = response.is_usual() ? response.status() : 0;
}

void head_writer::write(byte_buffer& out, const response& response, std::int64_t length,
                        connection said) {
    if (!is_prefix_of(response)) make_prefix(response);
    std::string_view connection_line = line_of(said);
    const std::string& fields = response.fields();
    char* start = out.room(prefix_.size() + length_name.size() + most_digits + coding_line.size() +
                           fields.size() + connection_line.size() + 4);
    char* to = put(start, prefix_);
    if (length >= 0) {
        to = put(to, length_name);
        to = std::to_chars(to, to + most_digits, length).ptr;
        to = put(to, "\r\n");
    } else if (length == chunked) {
        to = put(to, coding_line);
    }
    if (!fields.empty()) to = put(to, fields);
    if (!connection_line.empty()) to = put(to, connection_line);
    to = put(to, "\r\n");
    out.commit(static_cast<std::size_t>(to - start));
}

}  // namespace allcores::http
