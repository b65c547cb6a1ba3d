#include "runtime/python_application.h"

#include <stdexcept>
#include <string_view>

#include "data/frozen.h"
#include "http/conditional.h"
#include "http/file_plan.h"
#include "http/media_type.h"

namespace allcores::runtime {

namespace {

std::string_view view_of_bytes(PyObject* bytes) {
    return {PyBytes_AS_STRING(bytes), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes))};
}

// Text as UTF-8; false with an exception set where it has none (surrogates).
bool view_of_text(PyObject* text, std::string_view& view) {
    if (PyUnicode_IS_COMPACT_ASCII(text)) {
        view = {static_cast<const char*>(PyUnicode_DATA(text)),
                static_cast<std::size_t>(PyUnicode_GET_LENGTH(text))};
        return true;
    }
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(text, &size);
    if (data == nullptr) return false;
    view = {data, static_cast<std::size_t>(size)};
    return true;
}

PyTypeObject* type_of(PyObject* module, const char* name) {
    return reinterpret_cast<PyTypeObject*>(PyObject_GetAttrString(module, name));
}

}  // namespace

python_application::python_application(PyObject* handler, PyObject* collector)
    : worker_application(collector), handler_(Py_NewRef(handler)) {
    if (PyErr_Occurred()) return;
    PyObject* core = PyImport_ImportModule("allcores._core");
    if (core == nullptr) return;
    support_ = PyImport_ImportModule("allcores._http_support");
    if (support_ != nullptr) {
        encode_json_ = PyObject_GetAttrString(support_, "encode_json");
        request_type_ = type_of(core, "Request");
        response_type_ = type_of(core, "Response");
        file_response_type_ = type_of(core, "FileResponse");
    }
    Py_DECREF(core);
    ready_ = !PyErr_Occurred();
}

python_application::~python_application() {
    strings_.clear();
    Py_XDECREF(spare_);
    Py_XDECREF(kept_);
    Py_XDECREF(handler_);
    Py_XDECREF(encode_json_);
    Py_XDECREF(support_);
    Py_XDECREF(request_type_);
    Py_XDECREF(response_type_);
    Py_XDECREF(file_response_type_);
}

void python_application::handle(const http::request& view, http::response& response) {
    count_request();
    request_object* request = spare_;
    if (request == nullptr) request = new_request(request_type_, support_);
    spare_ = nullptr;
    if (request == nullptr || !begin_request(request, view, strings_)) [[unlikely]] {
        PyErr_WriteUnraisable(handler_);
        Py_XDECREF(request);
        response.status(500);
        return;
    }
    current_ = &view;
    PyObject* arguments[2] = {nullptr, reinterpret_cast<PyObject*>(request)};
    PyObject* result =
        PyObject_Vectorcall(handler_, arguments + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
    if (result == nullptr || !answer(result, response)) fail(request, response);
    Py_XDECREF(result);
    if (finish_request(request)) spare_ = request;
    current_ = nullptr;
}

// The body's bytes are only viewed by the response: what holds them is kept until release().
void python_application::keep(PyObject* stolen) {
    Py_XSETREF(kept_, stolen);
}

bool python_application::answer(PyObject* result, http::response& response) {
    if (Py_IS_TYPE(result, response_type_)) {
        return answer_with(reinterpret_cast<response_object*>(result), response);
    }
    if (Py_IS_TYPE(result, file_response_type_)) {
        return answer_with_file(reinterpret_cast<file_response_object*>(result), *current_,
                                response);
    }
    return answer_body(result, false, response);
}

bool python_application::answer_body(PyObject* body, bool typed, http::response& response) {
    if (PyBytes_CheckExact(body)) {
        if (!typed) response.content_type("application/octet-stream");
        if (data::is_frozen_object(
                body)) {  // it outlives the server: never copied for a slow client
            response.permanent_body(view_of_bytes(body));
            return true;
        }
        response.body(view_of_bytes(body));
        keep(Py_NewRef(body));
        return true;
    }
    if (PyUnicode_Check(body)) {
        std::string_view text;
        if (!view_of_text(body, text)) return false;
        if (!typed) response.content_type("text/plain; charset=utf-8");
        response.body(text);
        keep(Py_NewRef(body));
        return true;
    }
    if (PyObject_CheckBuffer(
            body)) {  // bytes' subclasses, bytearray, memoryview: a copy, it may change
        PyObject* copy = PyBytes_FromObject(body);
        if (copy == nullptr) return false;
        if (!typed) response.content_type("application/octet-stream");
        response.body(view_of_bytes(copy));
        keep(copy);
        return true;
    }
    PyObject* encoded = PyObject_CallOneArg(encode_json_, body);
    if (encoded == nullptr) return false;
    std::string_view text;
    if (!view_of_text(encoded, text)) {
        Py_DECREF(encoded);
        return false;
    }
    if (!typed) response.content_type("application/json");
    response.body(text);
    keep(encoded);
    return true;
}

bool python_application::answer_with(response_object* result, http::response& response) {
    response.status(result->status);
    if (result->content_type != nullptr) {
        std::string_view type;
        if (!PyUnicode_Check(result->content_type)) {
            PyErr_Format(PyExc_TypeError, "Response.content_type must be a str, not %T",
                         result->content_type);
            return false;
        }
        if (!view_of_text(result->content_type, type)) return false;
        try {
            response.content_type(type);
        } catch (const std::exception& error) {
            PyErr_SetString(PyExc_ValueError, error.what());
            return false;
        }
    }
    if (result->headers != nullptr && !add_headers(result->headers, response)) return false;
    if (result->body == nullptr) return true;
    // An empty body says nothing of its type.
    const bool empty = PyBytes_CheckExact(result->body) && PyBytes_GET_SIZE(result->body) == 0;
    return answer_body(result->body, result->content_type != nullptr || empty, response);
}

bool python_application::answer_with_file(file_response_object* result,
                                          const http::request& request, http::response& response) {
    const std::string path{view_of_bytes(result->path)};
    http::file_options options;
    options.offset = static_cast<std::uint64_t>(result->start);
    if (result->stop >= 0)
        options.length = static_cast<std::uint64_t>(result->stop - result->start);
    std::string_view type = http::media_type(path);
    if (result->content_type != nullptr && !view_of_text(result->content_type, type)) return false;
    options.content_type = type;
    http::request_conditions conditions;
    for (const http::field& field : request.headers) conditions.add(field.name, field.value);
    std::expected<http::file_plan, http::file_error> plan =
        http::regular_file::open(path).and_then([&](http::regular_file file) {
            return http::file_plan::make(std::move(file), options, request.method, conditions);
        });
    if (!plan) return fail_file(plan.error(), result->path);
    if (result->headers != nullptr && !add_headers(result->headers, response)) return false;
    response.file(std::move(*plan));
    return true;
}

bool python_application::fail_file(http::file_error error, PyObject* path) {
    PyObject* raised =
        PyObject_CallMethod(support_, "file_error", "iO", http::status_of(error), path);
    if (raised != nullptr) PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(raised)), raised);
    Py_XDECREF(raised);
    return false;
}

bool python_application::add_headers(PyObject* headers, http::response& response) {
    PyObject* pairs = PyList_Check(headers) || PyTuple_Check(headers) ? Py_NewRef(headers)
                                                                      : PyMapping_Items(headers);
    if (pairs == nullptr) return false;
    bool good = true;
    // By index: a list may be changed by another thread of the interpreter only while we call
    // Python, which we don't.
    for (Py_ssize_t i = 0; good && i < PySequence_Fast_GET_SIZE(pairs); ++i) {
        PyObject* pair = PySequence_Fast_GET_ITEM(pairs, i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2 ||
            !PyUnicode_Check(PyTuple_GET_ITEM(pair, 0)) ||
            !PyUnicode_Check(PyTuple_GET_ITEM(pair, 1))) {
            PyErr_Format(PyExc_TypeError, "a header field must be (str, str), not %R", pair);
            good = false;
            break;
        }
        // Latin-1 is what header fields have (RFC 9110, 5.5); most are ASCII, which is the same in
        // UTF-8.
        PyObject* name = PyTuple_GET_ITEM(pair, 0);
        PyObject* value = PyTuple_GET_ITEM(pair, 1);
        PyObject* encoded = PyUnicode_IS_ASCII(value) ? nullptr : PyUnicode_AsLatin1String(value);
        std::string_view name_view;
        std::string_view value_view;
        good = view_of_text(name, name_view);
        if (good && encoded != nullptr) {
            value_view = view_of_bytes(encoded);
        } else if (good) {
            good = PyUnicode_IS_ASCII(value) && view_of_text(value, value_view);
        }
        if (good) {
            try {
                response.header(name_view, value_view);
            } catch (const std::exception& error) {
                PyErr_SetString(PyExc_ValueError, error.what());
                good = false;
            }
        }
        Py_XDECREF(encoded);
    }
    Py_DECREF(pairs);
    return good;
}

// Any exception becomes an answer, and none of them ends the worker. The support module logs it
// and says which.
void python_application::fail(request_object* request, http::response& response) {
    PyObject* error = PyErr_GetRaisedException();
    response.reset();
    PyObject* result = PyObject_CallMethod(support_, "answer_failure", "(OO)",
                                           reinterpret_cast<PyObject*>(request), error);
    Py_XDECREF(error);
    const bool good = result != nullptr && Py_IS_TYPE(result, response_type_) &&
                      answer_with(reinterpret_cast<response_object*>(result), response);
    Py_XDECREF(result);
    if (good) return;
    PyErr_FormatUnraisable("Exception ignored while a failed request was answered");
    response.reset();
    response.status(500);
}

}  // namespace allcores::runtime
