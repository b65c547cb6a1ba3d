// http.Request: the Python view of one parsed request.
//
// Its method and path are Python strings from the beginning, most often cached ones; nothing else
// is converted until a handler asks for it; what was asked for is kept until the request is
// answered. A worker has one such object and uses it again for the next request while nobody else
// holds it; one that a handler keeps is detached first: everything is copied out of the
// connection's buffer. Used with the worker's GIL held.
#pragma once
#include <Python.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "http/request.h"

namespace allcores::runtime {

// Strings that many requests share, one cache a worker: method names, and the paths seen last.
class string_cache {
 public:
    string_cache() = default;
    string_cache(const string_cache&) = delete;
    string_cache& operator=(const string_cache&) = delete;
    void clear();
    // New references; null with an exception set.
    PyObject* method(std::uint8_t number, std::string_view name);
    PyObject* path(std::string_view raw);

 private:
    static constexpr std::size_t path_slots = 64;
    static constexpr std::size_t longest_path = 64;
    struct path_slot {
        PyObject* decoded = nullptr;
        std::uint8_t size = 0;
        std::array<char, longest_path> raw;
    };
    std::array<PyObject*, 64> methods_{};
    std::array<path_slot, path_slots> paths_{};
};

struct request_object {
    PyObject_HEAD const http::request* view;  // while the handler runs; null afterwards
    PyObject* support;  // the module allcores._http_support of this interpreter
    PyObject* method;   // made when it begins
    PyObject* path;     // the same
    // Made on demand; null until then.
    PyObject* raw_path;
    PyObject* query_string;
    PyObject* query;
    PyObject* fields;
    PyObject* headers;
    PyObject* cookies;
    PyObject* body;
    PyObject* client;
    PyObject* state;
    bool is_https;
};

// The type, made once per interpreter; a new reference, or null with an exception set.
PyTypeObject* make_request_type(PyObject* module);

// An object that views nothing yet.
request_object* new_request(PyTypeObject* type, PyObject* support);
// It views this request from now on. False with an exception set.
bool begin_request(request_object* self, const http::request& view, string_cache& strings);
// The request is answered. True: it may be used again. False: somebody keeps it; it was detached
// and is not ours any more.
bool finish_request(request_object* self);

}  // namespace allcores::runtime
