// A Python handler as an http::application: one per worker, made and used on the worker's thread
// only.
//
// enter() and leave() take and release the interpreter's GIL around a batch of requests;
// everything between holds it.
#pragma once
#include <Python.h>

#include <cstdint>

#include "http/application.h"
#include "http/file_plan.h"
#include "runtime/request_object.h"
#include "runtime/response_object.h"

namespace allcores::runtime {

class python_application final : public http::application {
 public:
    // Attached. `handler` is called with a request; `collector` has idle() and busy() (see
    // _collector.py). Borrows both. On failure a Python exception is set and is_ready() is false.
    python_application(PyObject* handler, PyObject* collector);
    ~python_application() override;  // attached
    python_application(const python_application&) = delete;
    python_application& operator=(const python_application&) = delete;

    bool is_ready() const { return ready_; }
    // Between the construction and the first enter(), and after the last leave(): release the GIL
    // and take it back.
    void detach() { state_ = PyEval_SaveThread(); }
    void attach() { PyEval_RestoreThread(state_); }

    void enter() override { attach(); }
    void leave() override { detach(); }
    bool finish_batch() override;
    void handle(const http::request& request, http::response& response) override;
    void release() override { Py_CLEAR(kept_); }
    bool wants_idle() override { return since_idle_ >= requests_between_collections; }
    void idle(bool at_length) override;

 private:
    // The collector is asked after so many requests: at the next idle moment, or in any case.
    static constexpr std::uint32_t requests_between_collections = 16;
    static constexpr std::uint32_t requests_without_idle = 512;

    // Each returns false with a Python exception set.
    bool answer(PyObject* result, http::response& response);
    bool answer_with(response_object* result, http::response& response);
    bool answer_with_file(file_response_object* result, const http::request& request,
                          http::response& response);
    bool fail_file(http::file_error error, PyObject* path);
    bool answer_body(PyObject* body, bool typed, http::response& response);
    bool add_headers(PyObject* headers, http::response& response);
    void fail(request_object* request, http::response& response);
    void ask_collector(PyObject* method, bool at_length);
    // Keeps a reference until the server has consumed what it views.
    void keep(PyObject* stolen);

    PyObject* handler_ = nullptr;
    PyObject* support_ = nullptr;      // allcores._http_support
    PyObject* encode_json_ = nullptr;  // its encode_json
    PyObject* collect_idle_ = nullptr;
    PyObject* collect_busy_ = nullptr;
    PyTypeObject* request_type_ = nullptr;
    PyTypeObject* response_type_ = nullptr;
    PyTypeObject* file_response_type_ = nullptr;
    request_object* spare_ = nullptr;  // the request object to use next
    PyObject* kept_ = nullptr;         // what the response views: a reference, or a tuple of two
    PyThreadState* state_ = nullptr;   // while detached
    const http::request* current_ = nullptr;
    std::uint32_t since_idle_ = 0;
    bool ready_ = false;
    string_cache strings_;
};

}  // namespace allcores::runtime
