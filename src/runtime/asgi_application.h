// An ASGI 3 application as an http::application. One per worker; see worker_application.h.
//
// A request's coroutine is started at once, as an eager task, from inside the event loop's wait
// (python/allcores/_asgi.py). One that ends without having been suspended costs no turn of the
// loop, and its response is sent as a handler's is. One that is suspended keeps its request: from
// then on it answers through an http::exchange.
#pragma once
#include <Python.h>

#include <string>
#include <string_view>

#include "http/exchange.h"
#include "runtime/asgi_scope.h"
#include "runtime/asgi_websocket.h"
#include "runtime/worker_application.h"

namespace allcores::runtime {

struct asgi_request;

// Names of messages and their fields, and what else is made once per worker.
struct asgi_names {
    bool make();
    ~asgi_names();
    PyObject *type, *status, *headers, *body, *more_body, *trailers, *more_trailers, *path, *links;
    PyObject *http_request, *http_disconnect;
    PyObject *response_start, *response_body, *response_trailers, *response_pathsend, *early_hint;
    PyObject* task_keywords;
    PyObject *future_set_result, *done, *create_future, *add_done_callback, *exception;
    PyObject* empty_bytes;
    PyObject *websocket_connect, *websocket_receive, *websocket_disconnect;
    PyObject *websocket_accept, *websocket_send, *websocket_close;
    PyObject *websocket_response_start, *websocket_response_body;
    PyObject *text, *bytes, *code, *reason, *subprotocol;
};

class asgi_application final : public worker_application {
 public:
    // Attached. `worker` is an allcores._asgi.Worker. Borrows both. `address`: of the server.
    asgi_application(PyObject* worker, PyObject* collector, const net::address& address);
    ~asgi_application() override;

    void begin(http::port& port) override { port_ = &port; }
    bool takes_parts() const override { return true; }
    bool has_loop() const override { return true; }
    void drive() override;
    bool wants_turn_over() override;
    bool is_idle() override;
    bool finish_batch() override;
    void handle(const http::request& request, http::response& response) override;
    void release() override { Py_CLEAR(kept_); }
    void shut_down() override;

    // For a loop that waits by itself; what it calls when one of the port's descriptors is
    // readable, and when it has done what that led to. False with an exception set.
    bool look();
    void rest() {
        if (!ended_) port_->rest();
    }

    // What the loop's selector calls: -1 with an exception set, else whether the loop's own
    // descriptors may be ready.
    int turn(double seconds);

    http::port& port() { return *port_; }
    const asgi_names& names() const { return names_; }
    PyObject* nothing() { return nothing_; }  // an awaitable of None that is ready
    PyTypeObject* awaitable_type() { return awaitable_type_; }
    PyObject* new_future();
    // Keeps what the response of the request that is being handled views.
    void keep(PyObject* stolen) { Py_XSETREF(kept_, stolen); }
    // Whether the task has ended; then what is missing of the response is made up for.
    bool see_end(asgi_request* request, PyObject* task);
    bool see_end(asgi_websocket* websocket, PyObject* task);

    const websocket_settings& websockets_settings() const { return websocket_settings_; }
    http::websocket_kit& kit() { return kit_; }
    http::byte_buffer& websocket_output() { return websocket_output_; }  // empty between calls

    asgi_client* clients = nullptr;  // all that live

 private:
    void read_websocket_settings();
    bool stop_loop();
    template <class Kind>
    PyObject* start_task(Kind* request);
    template <class Kind>
    void run(Kind* request);
    bool handle_upgrade(const http::request& request, http::response& response);
    void clear_or_print();
    void log_incomplete(PyObject* scope, bool started);
    // `gone`: the client had left, and what that leads to is no failure of the application.
    void log_failure(PyObject* scope, PyObject* error, bool gone);
    PyObject* error_of(PyObject* task);

    http::port* port_ = nullptr;
    asgi_names names_{};
    asgi_scope scope_;
    PyObject* worker_ = nullptr;
    PyObject* application_ = nullptr;
    PyObject* loop_ = nullptr;
    PyObject* task_type_ = nullptr;
    // Of asyncio's loop; null for one that waits by itself.
    PyObject* ready_ = nullptr;      // the deque of what it will call
    PyObject* scheduled_ = nullptr;  // and its list of timers
    PyObject* watched_ = nullptr;    // the selector's dict of descriptors
    PyObject* module_ = nullptr;     // allcores._asgi
    PyTypeObject* request_type_ = nullptr;
    PyTypeObject* websocket_type_ = nullptr;
    websocket_settings websocket_settings_;
    http::websocket_kit kit_{websocket_settings_.protocol};
    http::byte_buffer websocket_output_;
    PyTypeObject* awaitable_type_ = nullptr;
    PyObject* nothing_ = nullptr;
    PyObject* kept_ = nullptr;
    PyObject* turn_function_ = nullptr;  // or look()'s
    PyObject* rest_function_ = nullptr;
    int loop_descriptor_ = -1;
    Py_ssize_t timers_ = 0;  // at the beginning of a turn
    bool ended_ = false;     // the server is done
};

}  // namespace allcores::runtime
