#include "runtime/wsgi_application.h"

#include <cstdarg>
#include <exception>

#include "data/frozen.h"

namespace allcores::runtime {

namespace {

// Several parts of a list are put together up to here, else sent one after another.
constexpr Py_ssize_t most_joined = 64 * 1024;

std::string_view view_of(PyObject* bytes) {
    return {PyBytes_AS_STRING(bytes), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes))};
}

}  // namespace

wsgi_application::wsgi_application(PyObject* worker, PyObject* collector,
                                   const net::address& address)
    : worker_application(collector) {
    if (PyErr_Occurred()) return;
    module_ = PyImport_ImportModule("allcores._wsgi");
    if (module_ == nullptr) return;
    application_ = PyObject_GetAttrString(worker, "application");
    PyObject* common = PyObject_GetAttrString(worker, "environ");
    const bool prepared = common != nullptr && environ_.prepare(common, address);
    Py_XDECREF(common);
    if (!prepared) return;
    close_name_ = PyUnicode_InternFromString("close");
    file_wrapper_type_ =
        reinterpret_cast<PyTypeObject*>(PyObject_GetAttrString(module_, "FileWrapper"));
    input_type_ = make_wsgi_input_type();
    start_response_type_ = make_start_response_type();
    write_type_ = make_wsgi_write_type();
    ready_ = !PyErr_Occurred();
}

wsgi_application::~wsgi_application() {
    Py_XDECREF(kept_);
    if (input_ != nullptr) Py_DECREF(input_);
    if (start_response_ != nullptr) Py_DECREF(start_response_);
    for (PyTypeObject* each :
         {file_wrapper_type_, input_type_, start_response_type_, write_type_}) {
        Py_XDECREF(each);
    }
    Py_XDECREF(close_name_);
    Py_XDECREF(application_);
    Py_XDECREF(module_);
}

void wsgi_application::handle(const http::request& request, http::response& response) {
    count_request();
    if (input_ == nullptr) input_ = new_wsgi_input(input_type_);
    if (start_response_ == nullptr) {
        start_response_ = new_start_response(start_response_type_, write_type_, &answer_);
    }
    if (input_ == nullptr || start_response_ == nullptr) [[unlikely]] {
        PyErr_WriteUnraisable(application_);
        response.status(500);
        if (!request.whole) port_->hold().abort();
        return;
    }
    http::exchange* const exchange = request.whole ? nullptr : &port_->hold();
    begin_input(input_, exchange == nullptr ? request.body : std::string_view(), exchange);
    answer_.begin(*port_, request, response, input_);
    try {
        if (!call_and_send(request)) fail();
    } catch (const std::exception&) {  // no memory
        PyErr_NoMemory();
        fail();
    }
    answer_.end();
    // One reference is input_, and one is in what the next environ is copied from.
    if (!finish_input(input_, 2)) input_ = nullptr;
    if (!finish_start_response(start_response_)) start_response_ = nullptr;
}

bool wsgi_application::call_and_send(const http::request& request) {
    PyObject* environ = environ_.make(request, input_->object());
    if (environ == nullptr) return false;
    PyObject* arguments[3] = {nullptr, environ, start_response_->object()};
    PyObject* result = PyObject_Vectorcall(application_, arguments + 1,
                                           2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
    Py_DECREF(environ);
    if (result == nullptr) return false;
    // The ones that have no close().
    if (PyList_CheckExact(result) || PyTuple_CheckExact(result)) {
        const bool good = send(result);
        Py_DECREF(result);
        return good;
    }
    const bool good = send(result);
    if (!good) fail();
    close(result);
    Py_DECREF(result);
    return true;
}

bool wsgi_application::send(PyObject* result) {
    if (PyList_CheckExact(result) || PyTuple_CheckExact(result)) return send_all(result);
    if (result == Py_None || PyUnicode_Check(result) || PyBytes_Check(result) ||
        PyByteArray_Check(result)) {
        return misused("returned %s; it must return an iterable of bytes, like [b\"text\"]",
                       result == Py_None ? "None" : Py_TYPE(result)->tp_name);
    }
    if (Py_IS_TYPE(result, file_wrapper_type_) && answer_.has_head() && !answer_.is_sent()) {
        bool sent = false;
        if (!send_file(result, sent)) return false;
        if (sent) return true;
    }
    return send_each(result);
}

// A list or tuple: all of it is here.
bool wsgi_application::send_all(PyObject* items) {
    const Py_ssize_t count = PySequence_Fast_GET_SIZE(items);
    if (count == 1 && !answer_.is_sent()) [[likely]] {
        return send_one(PySequence_Fast_GET_ITEM(items, 0));
    }
    if (!need_head()) return false;
    Py_ssize_t size = 0;
    for (Py_ssize_t i = 0; i < count; ++i) {
        PyObject* item = PySequence_Fast_GET_ITEM(items, i);
        if (!need_bytes(item)) return false;
        size += PyBytes_GET_SIZE(item);
    }
    if (answer_.is_sent() || size > most_joined) return send_each(items);
    PyObject* empty = PyBytes_FromStringAndSize(nullptr, 0);
    PyObject* joined = empty == nullptr ? nullptr : PyBytes_Join(empty, items);
    Py_XDECREF(empty);
    const bool good = joined != nullptr && send_one(joined);
    Py_XDECREF(joined);
    return good;
}

bool wsgi_application::send_one(PyObject* body) {
    if (!need_head() || !need_bytes(body)) return false;
    std::string_view view = view_of(body);
    if (answer_.length() >= 0 && !answer_.is_bodiless()) {
        if (!check_length(PyBytes_GET_SIZE(body))) return false;
        view = view.substr(0, static_cast<std::size_t>(answer_.length()));
    }
    // Frozen bytes outlive the server.
    const bool permanent = data::is_frozen_object(body);
    if (answer_.answer(view, permanent) && !permanent) Py_XSETREF(kept_, Py_NewRef(body));
    return true;
}

// Nothing is sent yet, so a body that is too short can be told to the client.
bool wsgi_application::check_length(Py_ssize_t size) {
    const auto said = static_cast<long long>(answer_.length());
    const auto found = static_cast<long long>(size);
    if (found == said) return true;
    const bool is_short = found < said;
    (void)misused("said Content-Length: %lld, and its body has %lld bytes%s", said, found,
                  is_short ? "" : ": the rest was not sent");
    return !is_short;
}

// `sent`: false where it can only be iterated.
bool wsgi_application::send_file(PyObject* wrapper, bool& sent) {
    PyObject* region = PyObject_CallMethod(wrapper, "region", nullptr);
    if (region == nullptr) return false;
    int descriptor = -1;
    long long position = 0;
    if (region != Py_None) {
        if (!PyArg_ParseTuple(region, "iL", &descriptor, &position)) {
            Py_DECREF(region);
            return false;
        }
        sent = answer_.write_file(descriptor, static_cast<std::uint64_t>(position)) && finish();
    }
    Py_DECREF(region);
    return true;
}

bool wsgi_application::send_each(PyObject* iterable) {
    PyObject* iterator = PyObject_GetIter(iterable);
    if (iterator == nullptr) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) return false;
        PyErr_Clear();
        return misused("returned a %.100s; it must return an iterable of bytes, like [b\"text\"]",
                       Py_TYPE(iterable)->tp_name);
    }
    bool good = true;
    while (good) {
        PyObject* part = PyIter_Next(iterator);
        if (part == nullptr) {
            good = !PyErr_Occurred();
            break;
        }
        good = send_part(part);
        Py_DECREF(part);
        // Nothing more of it would be sent.
        if (good && answer_.is_sent() && answer_.is_bodiless()) break;
    }
    Py_DECREF(iterator);
    return good && need_head() && finish();
}

bool wsgi_application::send_part(PyObject* part) {
    return need_head() && need_bytes(part) && answer_.write(view_of(part));
}

bool wsgi_application::finish() {
    if (!answer_.is_sent()) {  // nothing but empty parts
        if (answer_.length() > 0 && !answer_.is_bodiless()) return check_length(0);
        (void)answer_.answer({}, true);
        return true;
    }
    const auto said = static_cast<long long>(answer_.length());
    const auto left = static_cast<long long>(answer_.left());
    if (answer_.was_too_long()) {
        (void)misused("said Content-Length: %lld, and its body is longer: the rest was not sent",
                      said);
    }
    return answer_.finish() ||
           misused("said Content-Length: %lld, and its body has %lld bytes", said, said - left);
}

bool wsgi_application::need_head() {
    return answer_.has_head() || misused("has a body, and did not call start_response before");
}

bool wsgi_application::need_bytes(PyObject* item) {
    return PyBytes_Check(item) ||
           misused("has a part of its body that is not bytes but %.100s", Py_TYPE(item)->tp_name);
}

void wsgi_application::close(PyObject* result) {
    PyObject* method = nullptr;
    if (PyObject_GetOptionalAttr(result, close_name_, &method) > 0) {
        PyObject* closed = PyObject_CallNoArgs(method);
        Py_XDECREF(closed);
        Py_DECREF(method);
    }
    if (PyErr_Occurred()) log_exception();
}

// The client sees it: as a response that says so, or as one that is not whole.
void wsgi_application::fail() {
    if (PyErr_Occurred()) log_exception();
    answer_.fail();
}

PyObject* wsgi_application::label() {
    if (environ_.target() == nullptr) return PyUnicode_FromString("a request");
    return PyUnicode_FromFormat("%U %U", environ_.method(), environ_.target());
}

void wsgi_application::log_exception() {
    PyObject* error = PyErr_GetRaisedException();
    // A client that went away is no failure of the application.
    if (answer_.is_gone() && PyErr_GivenExceptionMatches(error, PyExc_OSError)) {
        Py_DECREF(error);
        return;
    }
    PyObject* what = label();
    PyObject* logged =
        what == nullptr ? nullptr : PyObject_CallMethod(module_, "failed", "OO", what, error);
    if (logged == nullptr) {
        PyErr_FormatUnraisable("Exception ignored while a failed request was logged");
    }
    Py_XDECREF(logged);
    Py_XDECREF(what);
    Py_DECREF(error);
}

bool wsgi_application::misused(const char* format, ...) {
    va_list values;
    va_start(values, format);
    PyObject* problem = PyUnicode_FromFormatV(format, values);
    va_end(values);
    PyObject* what = problem == nullptr ? nullptr : label();
    PyObject* logged =
        what == nullptr ? nullptr : PyObject_CallMethod(module_, "misused", "OO", what, problem);
    if (logged == nullptr) PyErr_WriteUnraisable(application_);
    Py_XDECREF(logged);
    Py_XDECREF(what);
    Py_XDECREF(problem);
    return false;
}

}  // namespace allcores::runtime
