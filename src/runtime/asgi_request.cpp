#include "runtime/asgi_request.h"

#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <string_view>

#include "data/guarded.h"
#include "http/conditional.h"
#include "http/file_plan.h"
#include "http/syntax.h"
#include "runtime/asgi_application.h"
#include "runtime/asgi_awaitable.h"
#include "runtime/asgi_headers.h"
#include "runtime/asgi_message.h"

namespace allcores::runtime {

namespace {

using data::checked;
using data::python_error;
using data::ref;
using http::exchange;

asgi_request* cast(PyObject* self) {
    return reinterpret_cast<asgi_request*>(self);
}

ref disconnect_message(asgi_application& home) {
    ref message = checked(PyDict_New());
    checked(PyDict_SetItem(message.get(), home.names().type, home.names().http_disconnect));
    return message;
}

ref body_message(asgi_application& home, PyObject* bytes, bool more) {
    const asgi_names& names = home.names();
    ref message = checked(PyDict_New());
    checked(PyDict_SetItem(message.get(), names.type, names.http_request));
    checked(PyDict_SetItem(message.get(), names.body, bytes));
    checked(PyDict_SetItem(message.get(), names.more_body, more ? Py_True : Py_False));
    return message;
}

// The next message of the body, from the exchange; nothing where it has to be waited for.
std::optional<ref> pull(asgi_request* self) {
    asgi_application& home = *self->home;
    switch (self->exchange->pull()) {
        case exchange::input::waiting:
            return std::nullopt;
        case exchange::input::gone:
            self->exchange = nullptr;
            self->gone = true;
            return disconnect_message(home);
        case exchange::input::ended:
            self->body_given = true;
            return body_message(home, home.names().empty_bytes, false);
        case exchange::input::some:
            break;
    }
    const std::string_view unread = self->exchange->unread();
    const ref bytes = to_bytes(unread);
    self->exchange->take(unread.size());
    self->body_given = self->exchange->input_ended();
    return body_message(home, bytes.get(), !self->body_given);
}

PyObject* receive(PyObject* object, PyObject*) {
    asgi_request* self = cast(object);
    return data::guarded([&]() -> PyObject* {
        asgi_application& home = asgi_home(self->home);
        PyTypeObject* type = home.awaitable_type();
        if (self->complete || self->gone) {
            return ready_awaitable(type, disconnect_message(home).release());
        }
        if (!self->body_given) {
            if (self->exchange == nullptr) {
                self->body_given = true;
                const ref bytes = to_bytes(self->view->body);
                return ready_awaitable(type, body_message(home, bytes.get(), false).release());
            }
            std::optional<ref> message = pull(self);
            if (message) return ready_awaitable(type, message->release());
            return wait_for(home, self->receiver);
        }
        if (self->hold().pull_end() == exchange::input::gone) {
            self->exchange = nullptr;
            self->gone = true;
            return ready_awaitable(type, disconnect_message(home).release());
        }
        return wait_for(home, self->receiver);
    });
}

PyObject* answer_of(asgi_request* self, exchange::output sent) {
    asgi_application& home = *self->home;
    switch (sent) {
        case exchange::output::blocked:
            return wait_for(home, self->sender);
        case exchange::output::gone:
            self->exchange = nullptr;
            self->gone = true;
            refuse_gone();
        default:
            return Py_NewRef(home.nothing());
    }
}

void start(asgi_request* self, PyObject* message) {
    const asgi_names& names = self->home->names();
    if (self->started) refuse(PyExc_RuntimeError, "ASGI: http.response.start was sent before");
    PyObject* status = find(message, names.status);
    if (status == nullptr || !PyLong_Check(status)) {
        refuse(PyExc_TypeError, "ASGI: http.response.start needs 'status', an int");
    }
    self->status = PyLong_AsInt(status);
    if (self->status == -1 && PyErr_Occurred()) throw python_error();
    if (self->status < 200 || self->status > 999) {
        refuse(PyExc_ValueError, "ASGI: the status of http.response.start must be 200 to 999");
    }
    PyObject* headers = find(message, names.headers);
    if (headers != nullptr) {
        self->headers =
            checked(PySequence_Fast(headers, "ASGI: 'headers' must be an iterable of pairs"))
                .release();
    }
    self->has_trailers = is_true(find(message, names.trailers));
    self->started = true;
}

// The response's head, in `head`; the length that it declares in self->declared.
void make_head(asgi_request* self, http::response& head) {
    head.status(self->status);
    self->declared = add_asgi_headers(self->headers, head);
    Py_CLEAR(self->headers);
    if (self->declared >= 0 && self->is_head) head.length(self->declared);
}

bool has_body(const asgi_request* self) {
    return !self->is_head && self->status != 204 && self->status != 304;
}

void check_length(const asgi_request* self, bool ends) {
    if (self->declared < 0 || !has_body(self)) return;
    if (self->sent > self->declared) {
        refuse(PyExc_RuntimeError, "ASGI: the response is longer than its Content-Length");
    }
    if (ends && self->sent < self->declared) {
        refuse(PyExc_RuntimeError, "ASGI: the response is shorter than its Content-Length");
    }
}

exchange::output send_head(asgi_request* self, std::int64_t length_if_unsaid) {
    exchange& held = self->hold();
    http::response head;
    make_head(self, head);
    self->head_sent = true;
    return held.start(head, self->declared >= 0 ? self->declared : length_if_unsaid);
}

void finish(asgi_request* self, std::string_view trailers) {
    self->complete = true;
    std::exchange(self->exchange, nullptr)->finish(trailers);
    if (self->receiver != nullptr) {
        resolve(*self->home, self->receiver, disconnect_message(*self->home).get());
    }
}

PyObject* send_body(asgi_request* self, PyObject* message) {
    asgi_application& home = *self->home;
    const asgi_names& names = home.names();
    if (!self->started) {
        refuse(PyExc_RuntimeError, "ASGI: http.response.body before http.response.start");
    }
    if (self->complete) refuse(PyExc_RuntimeError, "ASGI: the response is complete already");
    PyObject* given = find(message, names.body);
    ref body = ref::borrow(given == nullptr ? names.empty_bytes : given);
    if (!PyBytes_Check(body.get())) {
        if (!PyObject_CheckBuffer(body.get())) {
            PyErr_Format(PyExc_TypeError, "ASGI: 'body' must be bytes, not %T", body.get());
            throw python_error();
        }
        body = checked(PyBytes_FromObject(body.get()));
    }
    const bool ends = !is_true(find(message, names.more_body)) && !self->has_trailers;
    const auto size = PyBytes_GET_SIZE(body.get());
    const std::string_view view{PyBytes_AS_STRING(body.get()), static_cast<std::size_t>(size)};
    self->sent += size;
    if (!self->head_sent && ends && self->response != nullptr) {
        make_head(self, *self->response);
        check_length(self, true);
        self->response->body(view);
        home.keep(body.release());
        self->complete = true;
        return Py_NewRef(home.nothing());
    }
    exchange::output result = exchange::output::done;
    if (!self->head_sent) result = send_head(self, ends ? size : -1);
    check_length(self, ends);
    if (result != exchange::output::gone) result = self->exchange->write(view);
    if (ends && result != exchange::output::gone) {
        finish(self, {});
        return Py_NewRef(home.nothing());
    }
    return answer_of(self, result);
}

PyObject* send_trailers(asgi_request* self, PyObject* message) {
    const asgi_names& names = self->home->names();
    if (!self->has_trailers || !self->head_sent || self->complete) {
        refuse(PyExc_RuntimeError, "ASGI: no http.response.trailers were announced");
    }
    if (PyObject* headers = find(message, names.headers); headers != nullptr) {
        const ref pairs = checked(PySequence_Fast(headers, "ASGI: 'headers' must be pairs"));
        http::response good;
        (void)add_asgi_headers(pairs.get(), good);
        // The head's own are not there any more.
        if (self->headers == nullptr) self->headers = checked(PyList_New(0)).release();
        if (PyList_Extend(self->headers, pairs.get()) < 0) throw python_error();
    }
    if (is_true(find(message, names.more_trailers))) return Py_NewRef(self->home->nothing());
    http::response fields;
    if (self->headers != nullptr) (void)add_asgi_headers(self->headers, fields);
    Py_CLEAR(self->headers);
    finish(self,
           self->exchange->is_chunked() ? std::string_view(fields.fields()) : std::string_view());
    return Py_NewRef(self->home->nothing());
}

PyObject* send_path(asgi_request* self, PyObject* message) {
    PyObject* path = find(message, self->home->names().path);
    if (!self->started || self->head_sent || path == nullptr) {
        refuse(PyExc_RuntimeError,
               "ASGI: http.response.pathsend needs 'path', after http.response.start");
    }
    PyObject* encoded = nullptr;
    if (!PyUnicode_FSConverter(path, &encoded)) throw python_error();
    const ref bytes = ref::steal(encoded);
    http::file_options options;
    std::expected<http::file_plan, http::file_error> plan =
        http::regular_file::open(PyBytes_AS_STRING(bytes.get()))
            .and_then([&](http::regular_file file) {
                return http::file_plan::make(std::move(file), options, "GET", {});
            });
    if (!plan) {
        PyErr_Format(PyExc_OSError, "ASGI: http.response.pathsend: %R can't be sent", path);
        throw python_error();
    }
    const auto size = static_cast<std::int64_t>(plan->content_length());
    self->sent = size;
    exchange::output result = send_head(self, size);
    check_length(self, true);
    if (result != exchange::output::gone) result = self->exchange->write_file(std::move(*plan));
    if (result == exchange::output::gone) return answer_of(self, result);
    finish(self, {});
    return Py_NewRef(self->home->nothing());
}

PyObject* send_hint(asgi_request* self, PyObject* message) {
    PyObject* links = find(message, self->home->names().links);
    if (self->started || links == nullptr) {
        refuse(PyExc_RuntimeError,
               "ASGI: http.response.early_hint needs 'links', before http.response.start");
    }
    const ref all = checked(PySequence_Fast(links, "ASGI: 'links' must be an iterable of bytes"));
    std::string fields;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(all.get()); ++i) {
        PyObject* link = PySequence_Fast_GET_ITEM(all.get(), i);
        if (!PyBytes_Check(link)) refuse(PyExc_TypeError, "ASGI: a link must be bytes");
        const std::string_view text{PyBytes_AS_STRING(link),
                                    static_cast<std::size_t>(PyBytes_GET_SIZE(link))};
        if (!http::is_field_value(text))
            refuse(PyExc_ValueError, "ASGI: a link has control characters");
        fields.append("Link: ").append(text).append("\r\n");
    }
    return answer_of(self, self->hold().inform(103, fields));
}

PyObject* send(PyObject* object, PyObject* message) {
    asgi_request* self = cast(object);
    return data::guarded([&]() -> PyObject* {
        const asgi_names& names = asgi_home(self->home).names();
        PyObject* type = type_of_message(*self->home, message);
        if (self->gone) refuse_gone();
        if (is_name(type, names.response_start)) {
            start(self, message);
            return Py_NewRef(self->home->nothing());
        }
        if (is_name(type, names.response_body)) return send_body(self, message);
        if (is_name(type, names.response_trailers)) return send_trailers(self, message);
        if (is_name(type, names.response_pathsend)) return send_path(self, message);
        if (is_name(type, names.early_hint)) return send_hint(self, message);
        PyErr_Format(PyExc_RuntimeError, "ASGI: %R can't be sent to an HTTP request", type);
        throw python_error();
    });
}

int traverse(PyObject* object, visitproc visit, void* arg) {
    Py_VISIT(cast(object)->headers);
    return visit_client(cast(object), visit, arg);
}

int clear(PyObject* object) {
    Py_CLEAR(cast(object)->headers);
    clear_client(cast(object));
    return 0;
}

void deallocate(PyObject* object) {
    asgi_request* self = cast(object);
    PyTypeObject* type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    leave_list(self);
    (void)clear(object);
    self->listener.~ear();
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("A request of an ASGI application.")},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
    {0, nullptr},
};

PyType_Spec spec = {
    "allcores._core.AsgiRequest",
    sizeof(asgi_request),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
        Py_TPFLAGS_DISALLOW_INSTANTIATION,
    slots,
};

}  // namespace

PyMethodDef asgi_request::receive_method = {"receive", receive, METH_NOARGS,
                                            "The next message from the client."};
PyMethodDef asgi_request::send_method = {"send", send, METH_O, "A message to the client."};
PyMethodDef asgi_request::done_method = {"done", client_done<asgi_request>, METH_O, nullptr};

void asgi_request::ear::on_input() {
    if (request->receiver == nullptr || request->body_given) return;
    if (data::guarded([&] {
            std::optional<ref> message = pull(request);
            if (message) resolve(*request->home, request->receiver, message->get());
        }) < 0) {
        PyErr_WriteUnraisable(nullptr);
    }
}

void asgi_request::ear::on_room() {
    resolve(*request->home, request->sender, Py_None);
}

// send() that waits returns: its next call says it.
void asgi_request::ear::on_gone() {
    asgi_request* self = request;
    self->exchange = nullptr;
    self->gone = true;
    resolve(*self->home, self->sender, Py_None);
    if (data::guarded([&] {
            if (self->receiver != nullptr) {
                resolve(*self->home, self->receiver, disconnect_message(*self->home).get());
            }
        }) < 0) {
        PyErr_WriteUnraisable(nullptr);
    }
}

http::exchange& asgi_request::hold() {
    if (exchange == nullptr) {
        exchange = &home->port().hold();
        exchange->listen(&listener);
        response = nullptr;
        if (body_given) exchange->take(exchange->unread().size());
    }
    return *exchange;
}

void asgi_request::end(bool) {
    constexpr std::string_view text = "Internal Server Error\n";
    if (complete || gone) return;
    complete = true;
    if (response != nullptr) {
        response->reset();
        response->status(500);
        response->content_type("text/plain; charset=utf-8");
        response->body(text);
        return;
    }
    http::exchange* held = std::exchange(exchange, nullptr);
    if (held == nullptr) return;
    if (head_sent) return held->abort();
    http::response head;
    head.status(500);
    head.content_type("text/plain; charset=utf-8");
    if (held->start(head, static_cast<std::int64_t>(text.size())) == exchange::output::gone ||
        held->write(text) == exchange::output::gone) {
        return;
    }
    held->finish();
}

PyTypeObject* make_asgi_request_type(PyObject* module) {
    return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
}

asgi_request* new_asgi_request(PyTypeObject* type, asgi_application& home) {
    auto* self = PyObject_GC_New(asgi_request, type);
    if (self == nullptr) return nullptr;
    std::memset(reinterpret_cast<char*>(self) + sizeof(PyObject), 0,
                sizeof(asgi_request) - sizeof(PyObject));
    new (&self->listener) asgi_request::ear;
    self->listener.request = self;
    self->declared = -1;
    enter_list(self, home);
    PyObject_GC_Track(self);
    return self;
}

}  // namespace allcores::runtime
