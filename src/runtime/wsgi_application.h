// A WSGI application (PEP 3333) as an http::application: calls it, and sends what it returns.
//
// A request's application runs on the worker's thread until its response is complete; a worker that
// waits for its client (wsgi_input.h, wsgi_answer.h) serves nobody else, and other workers do.
#pragma once
#include <Python.h>

#include <string_view>

#include "runtime/worker_application.h"
#include "runtime/wsgi_answer.h"
#include "runtime/wsgi_environ.h"
#include "runtime/wsgi_input.h"
#include "runtime/wsgi_start_response.h"

namespace allcores::runtime {

class wsgi_application final : public worker_application {
 public:
    // Attached. `worker` is an allcores._wsgi.Worker. Borrows both. `address`: where it serves.
    wsgi_application(PyObject* worker, PyObject* collector, const net::address& address);
    ~wsgi_application() override;  // attached

    void begin(http::port& port) override { port_ = &port; }
    bool takes_parts() const override { return true; }
    std::uint64_t awaited_body() const override { return 1024 * 1024; }
    bool waits_for_body() const override { return true; }
    void handle(const http::request& request, http::response& response) override;
    void release() override { Py_CLEAR(kept_); }

 private:
    // Whether the request was answered as the application wanted; false with an exception set, or
    // after misused().
    bool call_and_send(const http::request& request);
    bool send(PyObject* result);
    bool send_all(PyObject* items);
    bool send_one(PyObject* body);
    bool send_file(PyObject* wrapper, bool& sent);
    bool send_each(PyObject* iterable);
    bool send_part(PyObject* part);
    bool finish();
    bool check_length(Py_ssize_t size);
    bool need_head();
    bool need_bytes(PyObject* item);
    void close(PyObject* result);
    void fail();
    // The exception that is set.
    void log_exception();
    // Logs that the application is wrong; returns false.
    [[gnu::format(printf, 2, 3)]] bool misused(const char* format, ...);
    PyObject* label();

    http::port* port_ = nullptr;
    PyObject* application_ = nullptr;
    PyObject* module_ = nullptr;  // allcores._wsgi
    PyObject* close_name_ = nullptr;
    PyTypeObject* file_wrapper_type_ = nullptr;
    PyTypeObject* input_type_ = nullptr;
    PyTypeObject* start_response_type_ = nullptr;
    PyTypeObject* write_type_ = nullptr;
    // To use for the next request.
    wsgi_input* input_ = nullptr;
    wsgi_start_response* start_response_ = nullptr;
    PyObject* kept_ = nullptr;  // what the response views
    wsgi_environ environ_;
    wsgi_answer answer_;
};

}  // namespace allcores::runtime
