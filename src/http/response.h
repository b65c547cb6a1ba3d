// What the application answers with. One per worker, reset between requests, used on that worker's
// thread only.
//
// The server itself writes the status line, Date, Server, Content-Length and Connection, and leaves
// the body away where the standard says so (HEAD, 204, 304); the application says status, type,
// fields and body in any order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "http/file_plan.h"

namespace allcores::http {

enum class body_kind {
    none,
    view,       // valid until application::release()
    permanent,  // valid as long as the server lives
    file,       // what the plan says
};

class response {
 public:
    // 200 to 999; std::invalid_argument for others.
    void status(int code);

    // Instead of the registered phrase, which most say. Throws std::invalid_argument for control
    // characters.
    void reason(std::string_view phrase);

    // A Date field instead of the server's own; throws as header() does.
    void date(std::string_view value);

    // Empty: no Content-Type. Throws std::invalid_argument for control characters.
    void content_type(std::string_view type);

    // Adds a field. Throws std::invalid_argument for a name that is no token, for control
    // characters in the value, and for fields that the server writes itself: Content-Length,
    // Transfer-Encoding, Date. Of Connection only "close" is known: it does what close() does. A
    // Server field replaces the server's own.
    void header(std::string_view name, std::string_view value);

    // The body, not copied here. It must stay until application::release() is called for this
    // request.
    void body(std::string_view bytes) {
        body_ = bytes;
        body_kind_ = body_kind::view;
    }

    // The same for memory that outlives the server: never copied, however slow the client reads.
    void permanent_body(std::string_view bytes) {
        body_ = bytes;
        body_kind_ = body_kind::permanent;
    }

    // The plan's status, fields and body; instead of status(), content_type() and body(), while
    // fields that header() adds are sent too.
    void file(file_plan&& plan);

    // What Content-Length says where no body is sent (HEAD, 304), instead of the body's size.
    void length(std::int64_t bytes) { length_ = bytes; }

    // Close the connection once this response is sent.
    void close() { close_ = true; }

    // Back to: 200, nothing else.
    void reset() {
        status_ = 200;
        content_type_.clear();
        fields_.clear();
        body_ = {};
        if (body_kind_ == body_kind::file) plan_.reset();
        body_kind_ = body_kind::none;
        close_ = false;
        names_server_ = names_date_ = false;
        if (!reason_.empty()) reason_.clear();
        length_ = -1;
    }

    // What was said, for the server.
    int status() const { return status_; }
    const std::string& content_type() const { return content_type_; }
    const std::string& fields() const { return fields_; }  // "Name: value\r\n" for each
    std::string_view body() const { return body_; }
    body_kind kind() const { return body_kind_; }
    // Only of body_kind::file. Moved from by the server.
    file_plan& plan() { return *plan_; }
    std::int64_t length() const { return length_; }  // -1: not said
    bool closes() const { return close_; }
    bool names_server() const { return names_server_; }
    bool names_date() const { return names_date_; }
    const std::string& reason() const { return reason_; }  // empty: the registered one
    // Its status line, Date and Server are as the server writes them.
    bool is_usual() const { return !names_server_ && !names_date_ && reason_.empty(); }

 private:
    int status_ = 200;
    body_kind body_kind_ = body_kind::none;
    bool close_ = false;
    bool names_server_ = false;
    bool names_date_ = false;
    std::int64_t length_ = -1;
    std::string reason_;
    std::string content_type_;
    std::string checked_type_;  // the last one that was found good
    std::string fields_;
    std::string_view body_;
    std::optional<file_plan> plan_;
};

}  // namespace allcores::http
