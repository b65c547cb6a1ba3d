// The scope of an ASGI request: a dict, copied from one that has what is the same for all requests
// of a worker, with the request's own values put in. Used with the worker's GIL held.
#pragma once
#include <Python.h>

#include <string>
#include <string_view>
#include <unordered_map>

#include "http/request.h"
#include "runtime/request_object.h"

namespace allcores::runtime {

class asgi_scope {
 public:
    asgi_scope() = default;
    asgi_scope(const asgi_scope&) = delete;
    asgi_scope& operator=(const asgi_scope&) = delete;

    // `state` is null or the lifespan's dict, borrowed; `server` is (host, port), borrowed. False
    // with an exception set.
    bool start(PyObject* server, std::string_view root_path, PyObject* state);
    void clear();

    // New references; null with an exception set.
    PyObject* make(const http::request& request);
    // `subprotocols` is a list, borrowed.
    PyObject* make_websocket(const http::request& request, PyObject* subprotocols);

 private:
    PyObject* make_from(PyObject* pattern, const http::request& request);
    PyObject* make_headers(const http::request& request);
    PyObject* header_name(std::string_view name);
    PyObject* make_client(const http::request& request);
    bool prepare(const http::request& request);
    bool set_path(PyObject* scope, const http::request& request);

    static constexpr int no_method = -1;

    PyObject* pattern_ = nullptr;  // with the method and path of the request before
    int last_method_ = no_method;
    bool has_path_ = false;
    std::string last_path_;  // as it came
    PyObject* websocket_pattern_ = nullptr;
    PyObject* state_ = nullptr;
    PyObject *http_version_ = nullptr, *method_ = nullptr, *path_ = nullptr, *raw_path_ = nullptr,
             *query_string_ = nullptr, *headers_ = nullptr, *client_ = nullptr,
             *state_name_ = nullptr, *scheme_ = nullptr, *subprotocols_ = nullptr;
    PyObject *one_zero_ = nullptr, *one_one_ = nullptr, *no_query_ = nullptr;
    PyObject* last_host_ = nullptr;
    std::string last_host_text_;
    std::string root_path_;
    string_cache strings_;
    // Header names as sent, to bytes in lower case; a bounded number.
    std::unordered_map<std::string, PyObject*> header_names_;
    std::string name_;  // the one that is looked up
};

}  // namespace allcores::runtime
