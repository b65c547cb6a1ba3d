// The `environ` of WSGI requests (PEP 3333): a copy of a dict that has what all requests of a
// worker have in common, and what one request adds. One per worker, used with its GIL held.
//
// Clients say the same names and values again and again, so the keys and the last value of each are
// kept as Python strings; and what every request has, its path for example, is put into the dict
// that is copied, where most of it is from the request before: setting a key of a dict costs more
// than to see that it has the value.
#pragma once
#include <Python.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/request.h"
#include "net/address.h"

namespace allcores::runtime {

class wsgi_environ {
 public:
    wsgi_environ() = default;
    wsgi_environ(const wsgi_environ&) = delete;
    wsgi_environ& operator=(const wsgi_environ&) = delete;
    ~wsgi_environ();

    // `common`: a dict with what all requests have, SCRIPT_NAME among it; `address`: of the server.
    // False with an exception set.
    bool prepare(PyObject* common, const net::address& address);
    // A new reference, or null with an exception set. `input` is kept until the next one.
    PyObject* make(const http::request& request, PyObject* input);

    // Of the last one, borrowed: for the log, when the request itself is gone.
    PyObject* method() const { return method_; }
    PyObject* target() const { return target_; }

 private:
    enum key : std::uint8_t {
        request_method,
        path_info,
        query_string,
        raw_uri,
        request_uri,
        protocol,
        remote_address,
        remote_port,
        input_stream,
        key_count,
    };
    // A field's name as a key of the environ, or that it is left out.
    struct field_slot {
        static constexpr std::size_t longest_name = 46;
        static constexpr std::size_t longest_value = 256;
        PyObject* key = nullptr;
        PyObject* value = nullptr;  // the last one
        std::uint8_t size = 0;
        bool is_cookie = false;
        std::array<char, longest_name> name;
    };
    struct path_slot {
        static constexpr std::size_t longest = 64;
        PyObject* decoded = nullptr;
        std::uint8_t size = 0;
        std::array<char, longest> raw;
    };

    // A client's port as text.
    struct port_slot {
        PyObject* text = nullptr;
        std::uint16_t number = 0;
    };

    bool set(key which, PyObject* stolen_value);
    PyObject* method_of(const http::request& request);
    PyObject* path_of(std::string_view raw);
    PyObject* decode_path(std::string_view raw) const;
    bool add_fields(PyObject* environ, const http::request& request);
    bool add_field(PyObject* environ, const http::field& field);
    bool add_under(PyObject* environ, PyObject* key, PyObject* value, bool is_cookie);
    bool set_client(const http::peer& client);
    PyObject* port_of(std::uint16_t number);

    PyObject* common_ = nullptr;               // what is copied
    std::array<PyObject*, key_count> last_{};  // what it has under these keys, borrowed from it
    std::string script_name_;
    std::array<PyObject*, key_count> keys_{};
    std::array<PyObject*, 64> methods_{};
    std::array<PyObject*, 2> protocols_{};  // of HTTP/1.0 and 1.1
    PyObject* method_ = nullptr;
    PyObject* target_ = nullptr;
    PyObject* client_host_ = nullptr;  // the last one
    std::array<field_slot, 64> fields_{};
    std::array<path_slot, 64> paths_{};
    // By the last bits: those of a client's connections follow one another.
    std::array<port_slot, 256> ports_{};
};

}  // namespace allcores::runtime
