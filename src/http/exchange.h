// One request that its application answers later, in parts, or while its body still comes. Made by
// port::hold() inside application::handle(); from then on the connection stays with this worker,
// and the application drives the exchange: it pulls what comes of the body, starts the response,
// writes parts of it, and finishes. Used on the worker's thread only, entered.
//
// The application's pointer is good until it has called finish() or abort(), a call has returned
// `gone`, or listener::on_gone() was called: never touch it after that.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/body_spool.h"
#include "http/byte_buffer.h"
#include "http/file_plan.h"
#include "http/response.h"

namespace allcores::http {

class worker;
struct connection;

class exchange {
 public:
    // What the application hears of between its own calls.
    class listener {
     public:
        virtual ~listener() = default;
        // After pull() said `waiting`: there is something now.
        virtual void on_input() = 0;
        // After a write said `blocked`: there is room again.
        virtual void on_room() = 0;
        // The client has gone, or did not take or send anything for too long, or the server ends.
        virtual void on_gone() = 0;
        // The time that expect_within() gave is over. False: then on_gone() is called.
        virtual bool on_timeout() { return false; }
        // The server takes no more requests: what could go on for ever should come to its end.
        virtual void on_drain() {}
    };

    enum class [[nodiscard]] input {
        some,     // unread() has bytes
        ended,    // the body is complete; after that `waiting` for the client's going away
        waiting,  // nothing yet: on_input() or on_gone() will be called
        gone,
    };

    enum class [[nodiscard]] output {
        done,     // given to the kernel, or kept for a client that is a little slow
        blocked,  // kept, and more than that should wait for on_room()
        gone,
    };

    static constexpr std::size_t most_unread = 256 * 1024;  // then the client has to wait
    static constexpr std::size_t most_unsent = 64 * 1024;   // then the application has to wait

    exchange(http::worker& home, http::connection& connection)
        : home_(home), connection_(connection) {}
    exchange(const exchange&) = delete;
    ~exchange();

    void listen(listener* who) { listener_ = who; }

    // Input: the request's body, or after upgrade() whatever comes.
    input pull();
    input wait_input();  // the same, but waits with the interpreter left; never `waiting`
    input pull_end();    // for the client's going away, once the body has ended
    std::string_view unread() const { return input_.view().substr(taken_); }
    void take(std::size_t bytes);
    bool input_ended() const { return ended_; }
    // Nothing more of it will be read. False: too much is still to come, so that the connection is
    // closed after the response, which can say so then.
    bool ignore_rest();

    // Output. The head is sent with the first part, or when the worker is about to wait. With
    // `length` below 0 the parts are chunks, or for a client of HTTP/1.0 end with the connection.
    output start(const response& head, std::int64_t length);
    output inform(int status, std::string_view fields);  // 1xx, before start()
    output write(std::string_view bytes);
    output write_file(file_plan&& plan);  // of start()'s length, or the only part
    output wait_room();                   // waits with the interpreter left; never `blocked`
    void finish(std::string_view trailer_fields = {});
    void abort();  // the client sees that the response is not whole
    // What the client takes chunks with, and so trailers.
    bool is_chunked() const { return chunked_; }
    // 101, and from then on bytes both ways as they are. `fields` as "Name: value\r\n".
    output upgrade(std::string_view fields);

    // A time for whatever the application likes, after which on_timeout() is called. Waiting for
    // input or room sets others.
    void expect_within(std::uint64_t ms);

 private:
    friend class worker;

    bool drops_rest() const;
    input told_gone();
    output told(output result);
    void stop_counting();
    void give_seat_back();

    http::worker& home_;
    http::connection& connection_;
    listener* listener_ = nullptr;
    // What the access log says of it at its end.
    struct logged {
        std::vector<std::string> values;
        int status = 0;
        std::string content_type, fields;
    };
    std::unique_ptr<logged> log_;  // null: nothing
    std::uint64_t body_bytes_ = 0;
    bool counted_ = false;   // among those in progress
    bool has_seat_ = false;  // its worker may wait for the rest of the body
    byte_buffer input_;      // what came and is not taken, from taken_ on
    std::size_t taken_ = 0;
    std::unique_ptr<body_spool> spool_;  // what comes before anything else, but input_
    byte_buffer out_;                    // made and not yet given to the kernel
    std::int64_t left_ = -1;             // of the declared length; -1: none was
    std::uint64_t deadline_ms_ = 0;
    std::uint64_t begun_ns_ = 0;
    std::uint64_t waited_ns_ = 0;  // in wait_input()
    std::uint64_t received_ = 0;   // bytes of the body, as they came, after the first
    std::uint32_t place_ = 0;      // among the worker's held ones, from 1 on; 0: it is not
    bool wants_input_ = false;
    bool wants_end_ = false;
    bool wants_room_ = false;
    bool ended_ = false;        // the body is complete
    bool started_ = false;      // start() was called
    bool chunked_ = false;      // the response's coding
    bool bodiless_ = false;     // HEAD, 204, 304: what is written goes nowhere
    bool raw_ = false;          // upgraded
    bool http_1_0_ = false;     // of the request
    bool finished_ = false;     // the application is done with it
    bool gone_ = false;         // nothing can be sent or received
    bool refused_ = false;      // and the client was told why
    bool watched_ = false;      // in the worker's own set, not in the shared one
    bool is_head_ = false;      // the request's method
    bool in_handle_ = true;     // handle() has not returned
    bool will_resume_ = false;  // among those that the worker looks at next
};

}  // namespace allcores::http
