#include "runtime/asgi_headers.h"

#include <charconv>
#include <string_view>

#include "data/guarded.h"
#include "http/syntax.h"

namespace allcores::runtime {

namespace {

std::string_view view_of(PyObject* value) {
    if (PyBytes_Check(value)) {
        return {PyBytes_AS_STRING(value), static_cast<std::size_t>(PyBytes_GET_SIZE(value))};
    }
    if (PyByteArray_Check(value)) {
        return {PyByteArray_AS_STRING(value),
                static_cast<std::size_t>(PyByteArray_GET_SIZE(value))};
    }
    PyErr_Format(PyExc_TypeError, "ASGI: a header's name and value must be bytes, not %T", value);
    throw data::python_error();
}

std::int64_t parse_length(std::string_view text) {
    text = http::trim(text);
    std::int64_t length = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (error != std::errc() || end != text.data() + text.size() || length < 0) {
        PyErr_SetString(PyExc_ValueError, "ASGI: Content-Length is not a number of bytes");
        throw data::python_error();
    }
    return length;
}

}  // namespace

std::int64_t add_asgi_headers(PyObject* pairs, http::response& response) {
    std::int64_t length = -1;
    if (pairs == nullptr) return length;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(pairs); ++i) {
        PyObject* pair = PySequence_Fast_GET_ITEM(pairs, i);
        const bool is_list = PyList_Check(pair);
        if (!(is_list || PyTuple_Check(pair)) || PySequence_Fast_GET_SIZE(pair) != 2) {
            PyErr_Format(PyExc_TypeError, "ASGI: a header must be a pair of bytes, not %R", pair);
            throw data::python_error();
        }
        const std::string_view name = view_of(PySequence_Fast_GET_ITEM(pair, 0));
        const std::string_view value = view_of(PySequence_Fast_GET_ITEM(pair, 1));
        switch (name.size()) {
            case 4:
                if (http::equal_ignoring_case(name, "date")) continue;
                break;
            case 10:
                if (http::equal_ignoring_case(name, "connection")) {
                    if (http::equal_ignoring_case(http::trim(value), "close")) response.close();
                    continue;
                }
                break;
            case 12:
                if (http::equal_ignoring_case(name, "content-type")) {
                    response.content_type(http::trim(value));  // which knows the last one
                    continue;
                }
                break;
            case 14:
                if (http::equal_ignoring_case(name, "content-length")) {
                    length = parse_length(value);
                    continue;
                }
                break;
            case 17:
                if (http::equal_ignoring_case(name, "transfer-encoding")) continue;
                break;
            default:
                break;
        }
        response.header(name, value);
    }
    return length;
}

}  // namespace allcores::runtime
