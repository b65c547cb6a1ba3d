// The head of a response, from the status line to the empty line. One writer per worker, its
// thread's only: it keeps the part that most responses share (status, date, server, type) ready for
// the second it is valid.
#pragma once

#include <cstdint>
#include <string>

#include "http/byte_buffer.h"
#include "http/response.h"

namespace allcores::http {

class head_writer {
 public:
    enum class connection : std::uint8_t { unsaid, close, keep_alive };

    // `fields`: on every response, "Name: value\r\n" for each.
    explicit head_writer(std::string server_name, std::string fields = {}, bool says_date = true)
        : server_name_(std::move(server_name)), fields_(std::move(fields)), says_date_(says_date) {}

    // The time that Date says from now on, in seconds since 1970.
    void now(std::int64_t seconds) {
        if (seconds != seconds_) new_second(seconds);
    }

    static constexpr std::int64_t no_length = -1;
    static constexpr std::int64_t chunked = -2;  // with Transfer-Encoding

    std::int64_t seconds() const { return seconds_; }

    // With Content-Length unless `length` is negative.
    void write(byte_buffer& out, const response& response, std::int64_t length, connection said);

 private:
    void new_second(std::int64_t seconds);
    // Status line, Date, Server, the fields of every response and Content-Type into prefix_.
    void make_prefix(const response& response);
    bool is_prefix_of(const response& response) const {
        return prefix_status_ == response.status() && response.is_usual() &&
               prefix_type_ == response.content_type();
    }

    const std::string server_name_;
    const std::string fields_;
    const bool says_date_;
    std::int64_t seconds_ = -1;
    std::string date_;  // "Date: …\r\n"
    std::string prefix_;
    int prefix_status_ = 0;  // 0: none is ready
    std::string prefix_type_;
};

}  // namespace allcores::http
