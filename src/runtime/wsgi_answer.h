// The answer to one WSGI request while it comes into being: its head, as start_response said it,
// and its body, in one piece through the response, or in parts through the exchange. One per
// worker, used on its thread, attached.
//
// A response that is whole when the application returns goes the server's short way, as a handler's
// does: many of a client that pipelines are sent at once. One whose first part is all that
// Content-Length says, as those of frameworks are, goes the same way, but at once: what the
// application does at its end is nothing to wait for. Everything else is sent as it comes, and
// waits, with the interpreter released, for a client that does not read.
#pragma once
#include <Python.h>

#include <cstdint>
#include <string_view>

#include "http/port.h"
#include "http/request.h"
#include "http/response.h"
#include "runtime/wsgi_input.h"

namespace allcores::runtime {

class wsgi_answer {
 public:
    void begin(http::port& port, const http::request& request, http::response& response,
               wsgi_input* input);
    void end() { response_ = nullptr; }

    // What start_response() was called with; exc_info may be null. False with an exception set.
    bool set_head(PyObject* status, PyObject* headers, PyObject* exc_info);
    bool has_head() const { return has_head_; }
    // A part of the head or of the body was sent, or its turn to be: the head can't change.
    bool is_sent() const { return is_sent_; }
    // No body goes to the client, whatever the application has.
    bool is_bodiless() const;
    // What Content-Length says; -1: nothing.
    std::int64_t length() const { return length_; }
    // How much of that is still to come, once a part is sent.
    std::int64_t left() const { return left_; }

    // A part of the body, after the head. False with an exception set: the client has gone.
    bool write(std::string_view bytes);
    // What a regular file has from `offset` on as the body, or of that so much as Content-Length
    // says. Takes the descriptor. False, with nothing sent, where that can't be.
    bool write_file(int descriptor, std::uint64_t offset);
    // All of the body, when nothing was sent before. True: `bytes` must stay until the
    // application's release().
    bool answer(std::string_view bytes, bool permanent);
    // The end of what write() sent. False: it was too short.
    bool finish();
    // Something went wrong: a response of status 500, or the end of the connection.
    void fail();

    // The client has gone, so that an OSError is not the application's.
    bool is_gone() const { return is_gone_ || input_->gone; }
    // Whether the body was longer than Content-Length says.
    bool was_too_long() const { return was_too_long_; }

 private:
    bool is_all(std::string_view bytes) const;
    bool send_head(std::int64_t length);
    bool set_gone();

    http::port* port_ = nullptr;
    http::response* response_ = nullptr;  // null: between two requests
    http::exchange* exchange_ = nullptr;
    wsgi_input* input_ = nullptr;
    std::int64_t length_ = -1;
    std::int64_t left_ = -1;  // of it, once the head is sent
    bool is_head_method_ = false;
    bool has_head_ = false;
    bool is_sent_ = false;
    bool is_whole_ = false;  // all of it was sent, without an exchange
    bool is_gone_ = false;
    bool was_too_long_ = false;
};

}  // namespace allcores::runtime
