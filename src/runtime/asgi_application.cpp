#include "runtime/asgi_application.h"

#include <llhttp.h>

#include <algorithm>
#include <array>
#include <string>

#include "runtime/asgi_awaitable.h"
#include "runtime/asgi_request.h"

namespace allcores::runtime {

namespace {

struct name {
    PyObject* asgi_names::* slot;
    const char* text;
};

constexpr name all_names[] = {
    {&asgi_names::type, "type"},
    {&asgi_names::status, "status"},
    {&asgi_names::headers, "headers"},
    {&asgi_names::body, "body"},
    {&asgi_names::more_body, "more_body"},
    {&asgi_names::trailers, "trailers"},
    {&asgi_names::more_trailers, "more_trailers"},
    {&asgi_names::path, "path"},
    {&asgi_names::links, "links"},
    {&asgi_names::http_request, "http.request"},
    {&asgi_names::http_disconnect, "http.disconnect"},
    {&asgi_names::response_start, "http.response.start"},
    {&asgi_names::response_body, "http.response.body"},
    {&asgi_names::response_trailers, "http.response.trailers"},
    {&asgi_names::response_pathsend, "http.response.pathsend"},
    {&asgi_names::early_hint, "http.response.early_hint"},
    {&asgi_names::future_set_result, "set_result"},
    {&asgi_names::done, "done"},
    {&asgi_names::create_future, "create_future"},
    {&asgi_names::add_done_callback, "add_done_callback"},
    {&asgi_names::exception, "exception"},
    {&asgi_names::websocket_connect, "websocket.connect"},
    {&asgi_names::websocket_receive, "websocket.receive"},
    {&asgi_names::websocket_disconnect, "websocket.disconnect"},
    {&asgi_names::websocket_accept, "websocket.accept"},
    {&asgi_names::websocket_send, "websocket.send"},
    {&asgi_names::websocket_close, "websocket.close"},
    {&asgi_names::websocket_response_start, "websocket.http.response.start"},
    {&asgi_names::websocket_response_body, "websocket.http.response.body"},
    {&asgi_names::text, "text"},
    {&asgi_names::bytes, "bytes"},
    {&asgi_names::code, "code"},
    {&asgi_names::reason, "reason"},
    {&asgi_names::subprotocol, "subprotocol"},
};

}  // namespace

bool asgi_names::make() {
    for (const name& each : all_names) {
        this->*each.slot = PyUnicode_InternFromString(each.text);
        if (this->*each.slot == nullptr) return false;
    }
    task_keywords = Py_BuildValue("(ss)", "loop", "eager_start");
    empty_bytes = PyBytes_FromStringAndSize("", 0);
    return task_keywords != nullptr && empty_bytes != nullptr;
}

asgi_names::~asgi_names() {
    for (const name& each : all_names) Py_XDECREF(this->*each.slot);
    Py_XDECREF(task_keywords);
    Py_XDECREF(empty_bytes);
}

namespace {

constexpr const char* capsule_name = "allcores.asgi_application";

PyObject* turn_method(PyObject* capsule, PyObject* seconds) {
    auto* home = static_cast<asgi_application*>(PyCapsule_GetPointer(capsule, capsule_name));
    if (home == nullptr) return nullptr;
    const double given = PyFloat_AsDouble(seconds);
    if (given == -1.0 && PyErr_Occurred()) return nullptr;
    const int result = home->turn(given);
    return result < 0 ? nullptr : PyBool_FromLong(result);
}

PyObject* look_method(PyObject* capsule, PyObject*) {
    auto* home = static_cast<asgi_application*>(PyCapsule_GetPointer(capsule, capsule_name));
    if (home == nullptr || !home->look()) return nullptr;
    return Py_NewRef(Py_None);
}

PyObject* rest_method(PyObject* capsule, PyObject*) {
    auto* home = static_cast<asgi_application*>(PyCapsule_GetPointer(capsule, capsule_name));
    if (home == nullptr) return nullptr;
    home->rest();
    return Py_NewRef(Py_None);
}

PyMethodDef look_definition = {"look", look_method, METH_NOARGS, "Serve what is there."};
PyMethodDef rest_definition = {"rest", rest_method, METH_NOARGS, "The loop has done its part."};
PyMethodDef turn_definition = {"turn", turn_method, METH_O, "Serve for so many seconds."};

// At least 1 for what is more than 0; without an end for what is more than a year.
std::uint64_t milliseconds_of(double seconds) {
    constexpr double year = 366.0 * 24 * 3600;
    if (seconds <= 0 || seconds > year) return 0;
    return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(seconds * 1000));
}

PyTypeObject* type_of(PyObject* module, const char* name) {
    return reinterpret_cast<PyTypeObject*>(PyObject_GetAttrString(module, name));
}

}  // namespace

asgi_application::asgi_application(PyObject* worker, PyObject* collector,
                                   const net::address& address)
    : worker_application(collector), worker_(Py_NewRef(worker)) {
    if (PyErr_Occurred()) return;
    PyObject* core = PyImport_ImportModule("allcores._core");
    PyObject* asyncio = core == nullptr ? nullptr : PyImport_ImportModule("asyncio");
    module_ = asyncio == nullptr ? nullptr : PyImport_ImportModule("allcores._asgi");
    if (module_ != nullptr && names_.make()) {
        task_type_ = PyObject_GetAttrString(asyncio, "Task");
        request_type_ = type_of(core, "AsgiRequest");
        websocket_type_ = type_of(core, "AsgiWebSocket");
        awaitable_type_ = type_of(core, "AsgiAwaitable");
        application_ = PyObject_GetAttrString(worker, "application");
        loop_ = PyObject_GetAttrString(worker, "loop");
    }
    if (!PyErr_Occurred()) nothing_ = ready_awaitable(awaitable_type_, Py_NewRef(Py_None));
    PyObject* selector = PyErr_Occurred() ? nullptr : PyObject_GetAttrString(worker, "selector");
    PyObject* capsule = selector == nullptr ? nullptr : PyCapsule_New(this, capsule_name, nullptr);
    if (capsule != nullptr && selector != Py_None) {
        ready_ = PyObject_GetAttrString(worker, "ready");
        scheduled_ = PyObject_GetAttrString(worker, "scheduled");
        watched_ = PyObject_GetAttrString(worker, "watched");
        PyObject* number = PyObject_CallMethod(selector, "fileno", nullptr);
        if (number != nullptr) loop_descriptor_ = PyLong_AsInt(number);
        Py_XDECREF(number);
        turn_function_ = PyCFunction_New(&turn_definition, capsule);
    } else if (capsule != nullptr) {
        turn_function_ = PyCFunction_New(&look_definition, capsule);
        rest_function_ = PyCFunction_New(&rest_definition, capsule);
    }
    Py_XDECREF(capsule);
    Py_XDECREF(selector);
    Py_XDECREF(asyncio);
    Py_XDECREF(core);
    // Of a unix socket: its path and None, as the specification has it.
    PyObject* server = nullptr;
    if (!PyErr_Occurred()) {
        server = address.host().empty() ? Py_BuildValue("(sO)", address.path().c_str(), Py_None)
                                        : Py_BuildValue("(si)", address.host().c_str(),
                                                        static_cast<int>(address.port()));
    }
    PyObject* root = server == nullptr ? nullptr : PyObject_GetAttrString(worker, "root_path");
    PyObject* state = root == nullptr ? nullptr : PyObject_GetAttrString(worker, "scope_state");
    if (state != nullptr) {
        Py_ssize_t size = 0;
        const char* text = PyUnicode_AsUTF8AndSize(root, &size);
        if (text != nullptr) {
            (void)scope_.start(server, {text, static_cast<std::size_t>(size)},
                               state == Py_None ? nullptr : state);
        }
    }
    Py_XDECREF(state);
    Py_XDECREF(root);
    Py_XDECREF(server);
    if (!PyErr_Occurred()) read_websocket_settings();
    worker_application::ready_ = !PyErr_Occurred();
}

asgi_application::~asgi_application() {
    disband_list(clients);
    scope_.clear();
    for (PyObject* each :
         {worker_, application_, loop_, task_type_, ready_, scheduled_, watched_, module_, nothing_,
          kept_, turn_function_, rest_function_, reinterpret_cast<PyObject*>(request_type_),
          reinterpret_cast<PyObject*>(websocket_type_),
          reinterpret_cast<PyObject*>(awaitable_type_)}) {
        Py_XDECREF(each);
    }
}

void asgi_application::read_websocket_settings() {
    PyObject* given = PyObject_GetAttrString(worker_, "websockets");
    if (given == nullptr) return;
    unsigned long long size = 0;
    Py_ssize_t queue = 0;
    double interval = 0, timeout = 0;
    int deflate = 0;
    if (PyArg_ParseTuple(given, "Knddp", &size, &queue, &interval, &timeout, &deflate)) {
        websocket_settings_.protocol.max_message = size;
        websocket_settings_.protocol.deflate.enabled = deflate != 0;
        websocket_settings_.max_queue = static_cast<std::size_t>(queue);
        websocket_settings_.ping_interval_ms = milliseconds_of(interval);
        websocket_settings_.ping_timeout_ms = milliseconds_of(timeout);
    }
    Py_DECREF(given);
}

PyObject* asgi_application::new_future() {
    return PyObject_CallMethodNoArgs(loop_, names_.create_future);
}

// The loop runs as long as the server does, even if the application stops it.
void asgi_application::drive() {
    attach();
    while (!ended_) {
        PyObject* result = nullptr;
        if (rest_function_ == nullptr) {
            result = PyObject_CallMethod(worker_, "run", "O", turn_function_);
        } else {
            const std::array<int, 3> watch = port_->descriptors();
            result = PyObject_CallMethod(worker_, "run_watching", "OO(iii)", turn_function_,
                                         rest_function_, watch[0], watch[1], watch[2]);
        }
        if (result == nullptr) clear_or_print();
        Py_XDECREF(result);
    }
    detach();
}

int asgi_application::turn(double seconds) {
    constexpr double longest = 3600;
    timers_ = PyList_GET_SIZE(scheduled_);
    const auto timeout_ns =
        seconds < 0 ? -1 : static_cast<std::int64_t>((seconds < longest ? seconds : longest) * 1e9);
    if (port_->turn(timeout_ns, loop_descriptor_) != http::port::turned::ended) return 1;
    return stop_loop() ? 0 : -1;
}

// Once it has ended the descriptors stay readable: the loop may call this again before it stops.
bool asgi_application::look() {
    if (ended_ || port_->look() != http::port::turned::ended) return true;
    return stop_loop();
}

bool asgi_application::stop_loop() {
    ended_ = true;
    PyObject* result = PyObject_CallMethod(loop_, "stop", nullptr);
    Py_XDECREF(result);
    return result != nullptr;
}

bool asgi_application::wants_turn_over() {
    return PyObject_Size(ready_) != 0 || PyList_GET_SIZE(scheduled_) != timers_;
}

// No timer, no descriptor but the loop's own pipe, and no thread that could call it.
bool asgi_application::is_idle() {
    return ready_ != nullptr && PyObject_Size(ready_) == 0 && PyList_GET_SIZE(scheduled_) == 0 &&
           PyDict_Size(watched_) == 1 && is_only_thread();
}

bool asgi_application::finish_batch() {
    (void)worker_application::finish_batch();
    return true;  // the loop has it
}

void asgi_application::handle(const http::request& view, http::response& response) {
    count_request();
    if (view.method_number == HTTP_GET && view.header("upgrade").data() != nullptr &&
        handle_upgrade(view, response)) {
        return;
    }
    asgi_request* request = new_asgi_request(request_type_, *this);
    if (request == nullptr) {
        PyErr_WriteUnraisable(application_);
        response.status(500);
        return;
    }
    request->view = &view;
    request->response = &response;
    request->is_head = view.method_number == HTTP_HEAD;
    if (!view.whole) (void)request->hold();
    request->scope = scope_.make(view);
    run(request);
    if (request->task != nullptr && !request->complete && !request->gone) (void)request->hold();
    request->view = nullptr;
    request->response = nullptr;
    Py_DECREF(request);
}

// Whether the request was one for a WebSocket, and is dealt with.
bool asgi_application::handle_upgrade(const http::request& view, http::response& response) {
    const http::websocket_handshake asked =
        http::websocket_handshake::parse(view, websocket_settings_.protocol.deflate);
    if (asked.what() == http::websocket_handshake::kind::none) return false;
    if (asked.what() == http::websocket_handshake::kind::refused) {
        asked.refuse(response);
        return true;
    }
    asgi_websocket* websocket = new_asgi_websocket(websocket_type_, *this, asked);
    PyObject* subprotocols = websocket == nullptr ? nullptr : PyList_New(0);
    for (const std::string& each : asked.subprotocols()) {
        PyObject* name = subprotocols == nullptr ? nullptr : PyUnicode_FromString(each.c_str());
        if (name == nullptr || PyList_Append(subprotocols, name) < 0) Py_CLEAR(subprotocols);
        Py_XDECREF(name);
    }
    if (subprotocols != nullptr) websocket->scope = scope_.make_websocket(view, subprotocols);
    Py_XDECREF(subprotocols);
    if (websocket == nullptr) {
        PyErr_WriteUnraisable(application_);
        response.status(500);
        return true;
    }
    run(websocket);
    Py_DECREF(websocket);
    return true;
}

// Starts the application's coroutine. Afterwards `task` is null if that has ended.
template <class Kind>
void asgi_application::run(Kind* request) {
    PyObject* task = request->scope == nullptr ? nullptr : start_task(request);
    if (task == nullptr) {
        PyObject* error = PyErr_GetRaisedException();
        log_failure(request->scope, error, false);
        Py_XDECREF(error);
        request->end(true);
        return;
    }
    if (!see_end(request, task)) {
        request->task = Py_NewRef(task);
        PyObject* done = PyCFunction_New(&Kind::done_method, reinterpret_cast<PyObject*>(request));
        PyObject* added = done == nullptr
                              ? nullptr
                              : PyObject_CallMethodOneArg(task, names_.add_done_callback, done);
        if (added == nullptr) {
            PyErr_WriteUnraisable(task);
        } else {
            // It lives until then: request, future and task refer to each other, and nothing else
            // does to them. (asyncio's references to tasks are weak.)
            Py_INCREF(request);
        }
        Py_XDECREF(added);
        Py_XDECREF(done);
    }
    Py_DECREF(task);
}

// A new reference to a task that is done, or is suspended.
template <class Kind>
PyObject* asgi_application::start_task(Kind* request) {
    auto* self = reinterpret_cast<PyObject*>(request);
    PyObject* receive = PyCFunction_New(&Kind::receive_method, self);
    PyObject* send = receive == nullptr ? nullptr : PyCFunction_New(&Kind::send_method, self);
    PyObject* coroutine = nullptr;
    if (send != nullptr) {
        PyObject* arguments[] = {nullptr, request->scope, receive, send};
        coroutine = PyObject_Vectorcall(application_, arguments + 1,
                                        3 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
    }
    Py_XDECREF(receive);
    Py_XDECREF(send);
    if (coroutine != nullptr && !PyCoro_CheckExact(coroutine)) {
        PyObject* wrapped = PyObject_CallMethod(module_, "as_coroutine", "O", coroutine);
        Py_SETREF(coroutine, wrapped);
    }
    if (coroutine == nullptr) return nullptr;
    PyObject* arguments[] = {nullptr, coroutine, loop_, Py_True};
    PyObject* task = PyObject_Vectorcall(task_type_, arguments + 1,
                                         1 | PY_VECTORCALL_ARGUMENTS_OFFSET, names_.task_keywords);
    Py_DECREF(coroutine);
    return task;
}

// A new reference to the exception of a task that has ended, or to None; null: it has not.
PyObject* asgi_application::error_of(PyObject* task) {
    PyObject* done = PyObject_CallMethodNoArgs(task, names_.done);
    const bool ended = done != Py_False;
    Py_XDECREF(done);
    if (!ended) return nullptr;
    PyObject* error = PyObject_CallMethodNoArgs(task, names_.exception);
    return error != nullptr ? error : PyErr_GetRaisedException();  // it was cancelled
}

bool asgi_application::see_end(asgi_request* request, PyObject* task) {
    PyObject* error = error_of(task);
    if (error == nullptr) return false;
    if (error != Py_None) {
        if (!ended_) log_failure(request->scope, error, request->gone);
        request->end(true);
    } else if (!request->complete && !request->gone) {
        log_incomplete(request->scope, request->started);
        request->end(true);
    }
    Py_DECREF(error);
    return true;
}

bool asgi_application::see_end(asgi_websocket* websocket, PyObject* task) {
    PyObject* error = error_of(task);
    if (error == nullptr) return false;
    const bool failed = error != Py_None;
    if (failed) {
        if (!ended_) log_failure(websocket->scope, error, websocket->closed);
    } else if (!websocket->accepted && !websocket->refused && !websocket->closed) {
        log_incomplete(websocket->scope, false);
    }
    websocket->end(failed);
    Py_DECREF(error);
    return true;
}

void asgi_application::log_failure(PyObject* scope, PyObject* error, bool gone) {
    PyObject* result =
        PyObject_CallMethod(module_, "failed", "OOO", scope == nullptr ? Py_None : scope,
                            error == nullptr ? Py_None : error, gone ? Py_True : Py_False);
    if (result == nullptr) PyErr_WriteUnraisable(application_);
    Py_XDECREF(result);
}

void asgi_application::log_incomplete(PyObject* scope, bool started) {
    PyObject* result =
        PyObject_CallMethod(module_, "incomplete", "OO", scope, started ? Py_True : Py_False);
    if (result == nullptr) PyErr_WriteUnraisable(application_);
    Py_XDECREF(result);
}

void asgi_application::shut_down() {
    PyObject* result = PyObject_CallMethod(worker_, "close", nullptr);
    if (result == nullptr) clear_or_print();
    Py_XDECREF(result);
}

// SystemExit in our own code is of who ends this interpreter, and waits no longer.
void asgi_application::clear_or_print() {
    if (PyErr_ExceptionMatches(PyExc_SystemExit)) {
        PyErr_Clear();
    } else {
        PyErr_WriteUnraisable(worker_);
    }
}

}  // namespace allcores::runtime
