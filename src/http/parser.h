// Requests out of bytes: llhttp in its strict mode, and on top of it the rules of RFC 9110 and 9112
// that llhttp leaves to its user, the limits, and in-place joining of chunked bodies. No sockets:
// tests/fuzz feeds it directly.
//
// Two parts, so that an idle connection costs little: message_state is what one connection keeps
// between two reads; request_parser is a worker's, with all that is needed only while bytes are
// looked at.
#pragma once

#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/limits.h"
#include "http/request.h"

namespace allcores::http {

// Where the parser stands within one connection's bytes. The connection's owner's.
class message_state {
 public:
    enum class stage : std::uint8_t { between, head, body };

    message_state();

    stage at() const { return stage_; }

    // The head is complete, a body is due of which nothing has come, and the client waits for `100
    // Continue`.
    bool awaits_continue() const { return expects_continue_ && stage_ == stage::body && !body_; }
    void continued() { expects_continue_ = false; }

    // The bytes of the unfinished request that must be kept until more is fed: from origin() on.
    // They end where the next bytes must follow.
    char* origin() const { return origin_; }
    std::size_t kept(const char* end) const {
        if (!origin_) return 0;
        if (stage_ == stage::body && body_)
            return static_cast<std::size_t>(body_ + body_size_ - origin_);
        return static_cast<std::size_t>(end - origin_);
    }
    // They now begin here.
    void moved(char* origin);

    // How many bytes of the body are known to follow; 0 when chunked or none.
    std::uint64_t body_left() const;
    bool is_chunked() const;
    // What is here of the body; take_body() when somebody else keeps so much of its beginning: that
    // is no part of the kept bytes any more, nor of the request's body.
    std::string_view body_here() const { return {body_, body_size_}; }
    void take_body(std::size_t size);

    // The application has the request already; its body goes there as it comes.
    bool streams() const { return streams_; }

    // What has come of a request that is not whole, also after a failure: for the log. Where its
    // target has not begun, method, target and path are empty; `major` is 0 until its version is
    // known. Views as long as the bytes are where they were; nothing of it was checked.
    request so_far(const peer& client) const;

 private:
    friend class request_parser;
    llhttp_t machine_;
    char* origin_ = nullptr;  // the first byte of the target
    char* body_ = nullptr;    // the first byte of the joined body
    std::size_t body_size_ = 0;
    std::uint64_t taken_ = 0;  // of the body, before body_
    std::uint32_t target_size_ = 0;
    std::uint32_t overhead_ = 0;  // bytes of trailer fields and chunk extensions
    stage stage_ = stage::between;
    bool expects_continue_ = false;
    bool streams_ = false;
    std::vector<field> fields_;  // between two reads of one head or body, or after a failure; else
                                 // in the parser
};

class request_parser {
 public:
    // Who gets the requests.
    class sink {
     public:
        virtual ~sink() = default;
        // False: stop after this request, bytes after it stay unread (result::end).
        virtual bool on_request(const request& request) = 0;
        // After hand_over(): the parts of the body, and its end, which returns as on_request().
        virtual void on_body(std::string_view part) { (void)part; }
        virtual bool on_body_end() { return true; }
    };

    enum class outcome {
        more,     // everything was read; perhaps within a request
        stopped,  // on_request() said so
        failed,   // malformed or over a limit: answer with result::status and close
    };

    struct result {
        outcome what;
        const char* end;  // the first byte not read, when stopped
        int status;       // when failed
    };

    request_parser(const http::limits& limits, sink& sink);
    request_parser(const request_parser&) = delete;

    // Reads bytes that follow those of the last call, in memory behind the kept ones. They are
    // changed where a chunked body is joined. After a failure the state is of no more use.
    result feed(message_state& state, char* data, std::size_t size, const peer& client);

    // After `more`, in the body of a request: gives the sink what has come of it. The rest of the
    // body goes to on_body() then, and no bytes of it are kept.
    void hand_over(message_state& state, const peer& client);

 private:
    friend class message_state;
    struct callbacks;

    int fail(int status) {
        failure_ = status;
        return HPE_USER;
    }
    int head_complete(llhttp_t& machine);
    int check_fields(const llhttp_t& machine);
    int message_complete(llhttp_t& machine);
    bool give_request(const llhttp_t& machine, bool ended);
    bool over_head_limit(const char* end) const {
        return end - state_->origin_ > static_cast<std::ptrdiff_t>(limits_.max_header_bytes);
    }
    result failed(message_state& state, const char* end, int status);
    void keep_fields(message_state& state) const;
    int status_of_error(const llhttp_t& machine, const char* end) const;

    const http::limits limits_;
    sink& sink_;
    std::string good_host_;  // the last one: most clients say the same
    // For the time of one feed():
    message_state* state_ = nullptr;
    const peer* client_ = nullptr;
    int failure_ = 0;
    std::vector<field> fields_;
    std::size_t field_count_ = 0;
};

}  // namespace allcores::http
