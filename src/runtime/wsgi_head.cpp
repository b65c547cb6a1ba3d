#include "runtime/wsgi_head.h"

#include <charconv>
#include <stdexcept>
#include <string_view>

#include "http/status.h"
#include "http/syntax.h"

namespace allcores::runtime {

namespace {

// The characters of a str as bytes of Latin-1, which is all that PEP 3333 has in a head.
bool view_of(PyObject* text, std::string_view& view) {
    if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) return false;
    view = {static_cast<const char*>(PyUnicode_DATA(text)),
            static_cast<std::size_t>(PyUnicode_GET_LENGTH(text))};
    return true;
}

bool refuse_text(const char* what, PyObject* text) {
    PyErr_Format(PyExc_ValueError,
                 "start_response: %s must be of Latin-1 characters (PEP 3333), not %R", what, text);
    return false;
}

// "200 OK"
bool set_status(PyObject* status, http::response& response) {
    if (!PyUnicode_Check(status)) {
        PyErr_Format(PyExc_TypeError, "start_response: status must be a str like '200 OK', not %T",
                     status);
        return false;
    }
    std::string_view text;
    if (!view_of(status, text)) return refuse_text("status", status);
    constexpr std::size_t digits = 3;
    int code = 0;
    bool good = text.size() >= digits && (text.size() == digits || text[digits] == ' ');
    for (std::size_t at = 0; good && at < digits; ++at) {
        good = http::is_digit(text[at]);
        code = code * 10 + (text[at] - '0');
    }
    good = good && code >= 200;
    if (!good) {
        PyErr_Format(PyExc_ValueError,
                     "start_response: status must be a number from 200 on, a space and a phrase, "
                     "like '200 OK', not %R",
                     status);
        return false;
    }
    response.status(code);
    text.remove_prefix(text.size() == digits ? digits : digits + 1);
    if (!text.empty() && text != http::reason_phrase(code)) response.reason(text);
    return true;
}

// Fields of one connection and not of the response, which only servers send.
bool is_hop_by_hop(std::string_view name) {
    for (const std::string_view each :
         {"keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "trailers",
          "transfer-encoding", "upgrade"}) {
        if (http::equal_ignoring_case(name, each)) return true;
    }
    return false;
}

bool refuse_field(PyObject* pair, const char* why) {
    PyErr_Format(PyExc_ValueError, "start_response: header %R: %s", pair, why);
    return false;
}

bool set_length(PyObject* pair, std::string_view value, std::int64_t& length) {
    value = http::trim(value);
    std::int64_t number = -1;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < 0 ||
        value.front() == '-') {
        return refuse_field(pair, "is not a number of bytes");
    }
    if (length >= 0 && length != number) return refuse_field(pair, "there is another one before");
    length = number;
    return true;
}

// What the server says about the connection itself. An application may close it, and asking to keep
// it, as examples of event streams do, says nothing new.
bool set_connection(PyObject* pair, std::string_view value, http::response& response) {
    value = http::trim(value);
    if (http::equal_ignoring_case(value, "close")) {
        response.close();
    } else if (!http::equal_ignoring_case(value, "keep-alive")) {
        return refuse_field(pair, "a hop-by-hop header, which only the server sends (PEP 3333)");
    }
    return true;
}

bool set_field(PyObject* pair, std::string_view name, std::string_view value,
               http::response& response, std::int64_t& length) {
    switch (name.size()) {
        case 4:
            if (!http::equal_ignoring_case(name, "date")) break;
            response.date(value);
            return true;
        case 10:
            if (http::equal_ignoring_case(name, "connection")) {
                return set_connection(pair, value, response);
            }
            break;
        case 12:
            if (!http::equal_ignoring_case(name, "content-type")) break;
            response.content_type(http::trim(value));
            return true;
        case 14:
            if (http::equal_ignoring_case(name, "content-length")) {
                return set_length(pair, value, length);
            }
            break;
        default:
            break;
    }
    if (is_hop_by_hop(name)) {
        return refuse_field(pair, "a hop-by-hop header, which only the server sends (PEP 3333)");
    }
    response.header(name, value);
    return true;
}

bool set_pair(PyObject* pair, http::response& response, std::int64_t& length) {
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2 ||
        !PyUnicode_Check(PyTuple_GET_ITEM(pair, 0)) ||
        !PyUnicode_Check(PyTuple_GET_ITEM(pair, 1))) {
        PyErr_Format(PyExc_TypeError,
                     "start_response: a header must be a tuple (name, value) of two str, not %R",
                     pair);
        return false;
    }
    std::string_view name;
    std::string_view value;
    if (!view_of(PyTuple_GET_ITEM(pair, 0), name) || !view_of(PyTuple_GET_ITEM(pair, 1), value)) {
        return refuse_text("a header", pair);
    }
    return set_field(pair, name, value, response, length);
}

}  // namespace

bool set_wsgi_head(PyObject* status, PyObject* headers, http::response& response,
                   std::int64_t& length) {
    response.reset();
    length = -1;
    if (!PyList_Check(headers) && !PyTuple_Check(headers)) {
        PyErr_Format(PyExc_TypeError,
                     "start_response: headers must be a list of (name, value) tuples, not %T",
                     headers);
        return false;
    }
    try {
        if (!set_status(status, response)) return false;
        // By index: nothing that is called changes the list.
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(headers); ++i) {
            if (!set_pair(PySequence_Fast_GET_ITEM(headers, i), response, length)) return false;
        }
    } catch (const std::invalid_argument& error) {
        PyErr_Format(PyExc_ValueError, "start_response: %s", error.what());
        return false;
    } catch (const std::exception&) {
        PyErr_NoMemory();
        return false;
    }
    return true;
}

}  // namespace allcores::runtime
