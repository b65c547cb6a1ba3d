// A Python handler, a function request -> response, as an http::application.
#pragma once
#include <Python.h>

#include "http/file_plan.h"
#include "runtime/request_object.h"
#include "runtime/response_object.h"
#include "runtime/worker_application.h"

namespace allcores::runtime {

class python_application final : public worker_application {
 public:
    // Attached. `handler` is called with a request. Borrows both.
    python_application(PyObject* handler, PyObject* collector);
    ~python_application() override;  // attached
    void handle(const http::request& request, http::response& response) override;
    void release() override { Py_CLEAR(kept_); }

 private:
    // Each returns false with a Python exception set.
    bool answer(PyObject* result, http::response& response);
    bool answer_with(response_object* result, http::response& response);
    bool answer_with_file(file_response_object* result, const http::request& request,
                          http::response& response);
    bool fail_file(http::file_error error, PyObject* path);
    bool answer_body(PyObject* body, bool typed, http::response& response);
    bool add_headers(PyObject* headers, http::response& response);
    void fail(request_object* request, http::response& response);
    // Keeps a reference until the server has consumed what it views.
    void keep(PyObject* stolen);

    PyObject* handler_ = nullptr;
    PyObject* support_ = nullptr;      // allcores._http_support
    PyObject* encode_json_ = nullptr;  // its encode_json
    PyTypeObject* request_type_ = nullptr;
    PyTypeObject* response_type_ = nullptr;
    PyTypeObject* file_response_type_ = nullptr;
    request_object* spare_ = nullptr;  // the request object to use next
    PyObject* kept_ = nullptr;         // what the response views: a reference, or a tuple of two
    const http::request* current_ = nullptr;
    string_cache strings_;
};

}  // namespace allcores::runtime
