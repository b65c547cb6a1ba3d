#include "runtime/asgi_websocket.h"

#include <cstring>
#include <string>
#include <string_view>

#include "data/guarded.h"
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

namespace close_code = http::close_code;
constexpr std::uint16_t service_restart = 1012;

asgi_websocket* cast(PyObject* self) {
    return reinterpret_cast<asgi_websocket*>(self);
}

ref simple_message(PyObject* key, PyObject* type) {
    ref message = checked(PyDict_New());
    checked(PyDict_SetItem(message.get(), key, type));
    return message;
}

void drop_queue(asgi_websocket* self) {
    while (!self->cpp->queue.empty()) {
        PyObject* message = self->cpp->queue.back();
        self->cpp->queue.pop_back();
        Py_DECREF(message);
    }
}

// For receive(), now or later.
void give(asgi_websocket* self, ref message) {
    if (self->cpp->queue.empty() && is_waited_for(*self->home, self->receiver)) {
        resolve(*self->home, self->receiver, message.get());
    } else {
        self->cpp->queue.push_back(message.release());
    }
}

// The last message.
void give_disconnect(asgi_websocket* self, std::uint16_t code, std::string_view reason) {
    if (self->disconnect_given) return;
    self->disconnect_given = self->closed = true;
    if (data::guarded([&] {
            const asgi_names& names = self->home->names();
            ref message = simple_message(names.type, names.websocket_disconnect);
            const ref number = checked(PyLong_FromLong(code));
            const ref text = checked(PyUnicode_DecodeUTF8(
                reason.data(), static_cast<Py_ssize_t>(reason.size()), "replace"));
            checked(PyDict_SetItem(message.get(), names.code, number.get()));
            checked(PyDict_SetItem(message.get(), names.reason, text.get()));
            give(self, std::move(message));
        }) < 0) {
        PyErr_WriteUnraisable(nullptr);
    }
    resolve(*self->home, self->sender, Py_None);
}

void lose(asgi_websocket* self) {
    self->exchange = nullptr;
    give_disconnect(self, self->home->port().drains() ? service_restart : close_code::lost, {});
}

// The connection ends when all is sent.
void finish(asgi_websocket* self) {
    http::exchange* held = std::exchange(self->exchange, nullptr);
    if (held != nullptr) held->finish();
}

exchange::output flush(asgi_websocket* self, http::byte_buffer& out) {
    if (self->exchange == nullptr) return exchange::output::gone;
    if (out.empty()) return exchange::output::done;
    const exchange::output sent = self->exchange->write(out.view());
    out.clear();
    if (sent == exchange::output::gone) lose(self);
    return sent;
}

// Reads what has come, as long as the application keeps up.
void pump(asgi_websocket* self) {
    http::websocket& protocol = *self->cpp->protocol;
    while (self->exchange != nullptr && protocol.at() != http::websocket::phase::closed) {
        if (self->cpp->queue.size() >= self->home->websockets_settings().max_queue) return;
        if (!self->stopped) {
            const exchange::input found = self->exchange->pull();
            if (found == exchange::input::waiting) return;
            if (found != exchange::input::some) return lose(self);
        }
        self->heard = true;
        if (std::exchange(self->waits_for_pong, false) && !self->closed) {
            self->heard = false;  // from now on it may be silent for as long again
            self->exchange->expect_within(self->home->websockets_settings().ping_interval_ms);
        }
        http::byte_buffer& out = self->home->websocket_output();
        const http::websocket::fed fed =
            protocol.feed(self->home->kit(), self->exchange->unread(), *self->cpp, out);
        if (self->exchange == nullptr) return;
        self->exchange->take(fed.taken);
        self->stopped = fed.stopped;
        // A client that sends and does not read: what it causes (pongs) waits, and so does it.
        if (flush(self, out) == exchange::output::blocked) return;
    }
    if (protocol.at() == http::websocket::phase::closed) finish(self);
}

bool start_closing(asgi_websocket* self, std::uint16_t code, std::string_view reason) {
    if (self->exchange == nullptr || !self->accepted) return false;
    http::byte_buffer& out = self->home->websocket_output();
    if (!self->cpp->protocol->close(self->home->kit(), code, reason, out)) return false;
    self->closed = true;
    if (flush(self, out) == exchange::output::gone) return true;
    self->exchange->expect_within(self->home->websockets_settings().close_timeout_ms);
    drop_queue(self);
    pump(self);
    return true;
}

PyObject* receive(PyObject* object, PyObject*) {
    asgi_websocket* self = cast(object);
    return data::guarded([&]() -> PyObject* {
        asgi_application& home = asgi_home(self->home);
        PyTypeObject* type = home.awaitable_type();
        if (!self->connect_given) {
            self->connect_given = true;
            return ready_awaitable(
                type, simple_message(home.names().type, home.names().websocket_connect).release());
        }
        if (self->cpp->queue.empty() && !self->disconnect_given) {
            if (self->accepted) {
                pump(self);
            } else if (self->exchange != nullptr &&
                       self->exchange->pull_end() == exchange::input::gone) {
                lose(self);
            }
        }
        if (!self->cpp->queue.empty()) {
            PyObject* message = self->cpp->queue.front();
            self->cpp->queue.pop_front();
            return ready_awaitable(type, message);
        }
        if (self->disconnect_given) {
            refuse(PyExc_RuntimeError, "ASGI: receive() after websocket.disconnect");
        }
        return wait_for(home, self->receiver);
    });
}

PyObject* answer_of(asgi_websocket* self, exchange::output sent) {
    asgi_application& home = *self->home;
    if (sent == exchange::output::blocked) return wait_for(home, self->sender);
    if (sent == exchange::output::gone) refuse_gone();
    return Py_NewRef(home.nothing());
}

PyObject* accept(asgi_websocket* self, PyObject* message) {
    asgi_application& home = *self->home;
    const asgi_names& names = home.names();
    if (self->accepted || self->refused) {
        refuse(PyExc_RuntimeError, "ASGI: the WebSocket is accepted or refused already");
    }
    std::string_view subprotocol;
    PyObject* chosen = find(message, names.subprotocol);
    if (chosen != nullptr && chosen != Py_None) {
        Py_ssize_t size = 0;
        const char* text =
            PyUnicode_Check(chosen) ? PyUnicode_AsUTF8AndSize(chosen, &size) : nullptr;
        if (text == nullptr) {
            if (PyErr_Occurred()) throw python_error();
            refuse(PyExc_TypeError, "ASGI: 'subprotocol' must be a str or None");
        }
        subprotocol = {text, static_cast<std::size_t>(size)};
    }
    http::response extra;
    PyObject* headers = find(message, names.headers);
    if (headers != nullptr) {
        const ref pairs = checked(PySequence_Fast(headers, "ASGI: 'headers' must be pairs"));
        (void)add_asgi_headers(pairs.get(), extra);
    }
    const std::string fields = self->cpp->handshake.fields(subprotocol) + extra.fields();
    self->cpp->protocol = std::make_unique<http::websocket>(self->cpp->handshake.deflate());
    self->accepted = true;
    const exchange::output sent = self->exchange->upgrade(fields);
    if (sent == exchange::output::gone) {
        lose(self);
        refuse_gone();
    }
    const std::uint64_t interval = home.websockets_settings().ping_interval_ms;
    if (interval) self->exchange->expect_within(interval);
    // What comes is read from now on, so that pings are answered though nobody receives.
    pump(self);
    return answer_of(self, sent);
}

PyObject* send_message(asgi_websocket* self, PyObject* message) {
    asgi_application& home = *self->home;
    const asgi_names& names = home.names();
    if (!self->accepted) refuse(PyExc_RuntimeError, "ASGI: websocket.send before websocket.accept");
    http::byte_buffer& out = home.websocket_output();
    PyObject* bytes = find(message, names.bytes);
    PyObject* text = find(message, names.text);
    bool open = false;
    if (bytes != nullptr && bytes != Py_None) {
        Py_buffer view;
        if (PyObject_GetBuffer(bytes, &view, PyBUF_SIMPLE) < 0) throw python_error();
        open = self->cpp->protocol->send_binary(
            home.kit(), {static_cast<const char*>(view.buf), static_cast<std::size_t>(view.len)},
            out);
        PyBuffer_Release(&view);
    } else if (text != nullptr && PyUnicode_Check(text)) {
        Py_ssize_t size = 0;
        const char* data = PyUnicode_AsUTF8AndSize(text, &size);
        if (data == nullptr) throw python_error();
        open =
            self->cpp->protocol->send_text(home.kit(), {data, static_cast<std::size_t>(size)}, out);
    } else {
        refuse(PyExc_TypeError, "ASGI: websocket.send needs 'bytes', or 'text', a str");
    }
    if (!open) {
        out.clear();
        refuse_gone();
    }
    return answer_of(self, flush(self, out));
}

PyObject* send_close(asgi_websocket* self, PyObject* message) {
    const asgi_names& names = self->home->names();
    if (!self->accepted) {
        http::response head;
        head.status(403);
        self->refused = true;
        http::exchange* held = std::exchange(self->exchange, nullptr);
        if (held->start(head, 0) != exchange::output::gone) held->finish();
        give_disconnect(self, close_code::lost, {});
        return Py_NewRef(self->home->nothing());
    }
    PyObject* number = find(message, names.code);
    PyObject* reason = find(message, names.reason);
    const long code = number == nullptr ? close_code::normal : PyLong_AsLong(number);
    if (code == -1 && PyErr_Occurred()) throw python_error();
    Py_ssize_t size = 0;
    const char* text = "";
    if (reason != nullptr && reason != Py_None) {
        text = PyUnicode_AsUTF8AndSize(reason, &size);
        if (text == nullptr) throw python_error();
    }
    if (code < 1000 || code > 4999 || !close_code::may_be_sent(static_cast<std::uint16_t>(code)) ||
        size > 123) {
        refuse(PyExc_ValueError,
               "ASGI: websocket.close has a code that can't be sent, or a reason of "
               "more than 123 bytes");
    }
    (void)start_closing(self, static_cast<std::uint16_t>(code),
                        {text, static_cast<std::size_t>(size)});
    return Py_NewRef(self->home->nothing());
}

// A response instead of a WebSocket (the extension websocket.http.response).
PyObject* send_response_start(asgi_websocket* self, PyObject* message) {
    const asgi_names& names = self->home->names();
    if (self->accepted || self->refused) {
        refuse(PyExc_RuntimeError, "ASGI: the WebSocket is accepted or refused already");
    }
    PyObject* status = find(message, names.status);
    if (status == nullptr || !PyLong_Check(status)) {
        refuse(PyExc_TypeError, "ASGI: websocket.http.response.start needs 'status', an int");
    }
    http::response head;
    head.status(PyLong_AsInt(status));
    PyObject* headers = find(message, names.headers);
    const ref pairs = headers == nullptr
                          ? ref()
                          : checked(PySequence_Fast(headers, "ASGI: 'headers' must be pairs"));
    const std::int64_t length = add_asgi_headers(pairs.get(), head);
    self->refused = true;
    if (self->exchange->start(head, length) == exchange::output::gone) {
        lose(self);
        refuse_gone();
    }
    return Py_NewRef(self->home->nothing());
}

PyObject* send_response_body(asgi_websocket* self, PyObject* message) {
    const asgi_names& names = self->home->names();
    if (!self->refused) {
        refuse(PyExc_RuntimeError, "ASGI: websocket.http.response.body before its start");
    }
    PyObject* body = find(message, names.body);
    if (body == nullptr) body = names.empty_bytes;
    if (!PyBytes_Check(body)) refuse(PyExc_TypeError, "ASGI: 'body' must be bytes");
    const bool ends = !is_true(find(message, names.more_body));
    const exchange::output sent = self->exchange->write(
        {PyBytes_AS_STRING(body), static_cast<std::size_t>(PyBytes_GET_SIZE(body))});
    if (sent == exchange::output::gone) {
        lose(self);
        refuse_gone();
    }
    if (!ends) return answer_of(self, sent);
    finish(self);
    give_disconnect(self, close_code::lost, {});
    return Py_NewRef(self->home->nothing());
}

PyObject* send(PyObject* object, PyObject* message) {
    asgi_websocket* self = cast(object);
    return data::guarded([&]() -> PyObject* {
        const asgi_names& names = asgi_home(self->home).names();
        PyObject* type = type_of_message(*self->home, message);
        if (self->closed && is_name(type, names.websocket_close)) {
            return Py_NewRef(self->home->nothing());  // it is closed already
        }
        if (self->closed || self->exchange == nullptr) refuse_gone();
        if (is_name(type, names.websocket_send)) return send_message(self, message);
        if (is_name(type, names.websocket_accept)) return accept(self, message);
        if (is_name(type, names.websocket_close)) return send_close(self, message);
        if (is_name(type, names.websocket_response_start))
            return send_response_start(self, message);
        if (is_name(type, names.websocket_response_body)) return send_response_body(self, message);
        PyErr_Format(PyExc_RuntimeError, "ASGI: %R can't be sent to a WebSocket", type);
        throw python_error();
    });
}

int traverse(PyObject* object, visitproc visit, void* arg) {
    asgi_websocket* self = cast(object);
    for (PyObject* each : self->cpp->queue) Py_VISIT(each);
    return visit_client(self, visit, arg);
}

int clear(PyObject* object) {
    clear_client(cast(object));
    drop_queue(cast(object));
    return 0;
}

void deallocate(PyObject* object) {
    asgi_websocket* self = cast(object);
    PyTypeObject* type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    leave_list(self);
    (void)clear(object);
    delete self->cpp;
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("A WebSocket of an ASGI application.")},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
    {0, nullptr},
};

PyType_Spec spec = {
    "allcores._core.AsgiWebSocket",
    sizeof(asgi_websocket),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
        Py_TPFLAGS_DISALLOW_INSTANTIATION,
    slots,
};

// A message that came; whether there is room for more.
bool take_message(asgi_websocket* self, PyObject* key, PyObject* stolen_value) {
    if (self->closed) {  // we have said Close: dropped
        Py_XDECREF(stolen_value);
        return true;
    }
    if (data::guarded([&] {
            const ref value = checked(stolen_value);
            const asgi_names& names = self->home->names();
            ref message = simple_message(names.type, names.websocket_receive);
            checked(PyDict_SetItem(message.get(), key, value.get()));
            give(self, std::move(message));
        }) < 0) {
        PyErr_WriteUnraisable(nullptr);
    }
    return self->cpp->queue.size() < self->home->websockets_settings().max_queue;
}

}  // namespace

PyMethodDef asgi_websocket::receive_method = {"receive", receive, METH_NOARGS,
                                              "The next message from the client."};
PyMethodDef asgi_websocket::send_method = {"send", send, METH_O, "A message to the client."};
PyMethodDef asgi_websocket::done_method = {"done", client_done<asgi_websocket>, METH_O, nullptr};

void asgi_websocket::ear::on_input() {
    pump(self);
}

void asgi_websocket::ear::on_room() {
    resolve(*self->home, self->sender, Py_None);
    if (self->accepted) pump(self);
}

void asgi_websocket::ear::on_gone() {
    lose(self);
}

void asgi_websocket::ear::on_drain() {
    (void)start_closing(self, service_restart, "the server stops");
}

bool asgi_websocket::ear::on_timeout() {
    if (!self->accepted || self->closed) return false;
    const websocket_settings& settings = self->home->websockets_settings();
    if (self->waits_for_pong) return false;
    if (std::exchange(self->heard, false)) {
        self->exchange->expect_within(settings.ping_interval_ms);
        return true;
    }
    http::byte_buffer& out = self->home->websocket_output();
    if (!protocol->ping(self->home->kit(), {}, out)) return false;
    if (flush(self, out) == exchange::output::gone) return true;
    self->waits_for_pong = settings.ping_timeout_ms != 0;
    self->exchange->expect_within(settings.ping_timeout_ms ? settings.ping_timeout_ms
                                                           : settings.ping_interval_ms);
    return true;
}

bool asgi_websocket::ear::on_text(std::string_view text) {
    return take_message(
        self, self->home->names().text,
        PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr));
}

bool asgi_websocket::ear::on_binary(std::string_view bytes) {
    return take_message(
        self, self->home->names().bytes,
        PyBytes_FromStringAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size())));
}

void asgi_websocket::ear::on_pong(std::string_view) {}

void asgi_websocket::ear::on_close(std::uint16_t code, std::string_view reason, bool) {
    give_disconnect(self, code, reason);
}

void asgi_websocket::end(bool failed) {
    if (exchange == nullptr) return;
    if (accepted) {
        if (!closed)
            (void)start_closing(this, failed ? close_code::internal_error : close_code::normal, {});
        return;
    }
    if (refused) {  // a response that has no end
        std::exchange(exchange, nullptr)->abort();
        return;
    }
    http::response head;
    head.status(failed ? 500 : 403);
    http::exchange* held = std::exchange(exchange, nullptr);
    if (held->start(head, 0) != exchange::output::gone) held->finish();
}

PyTypeObject* make_asgi_websocket_type(PyObject* module) {
    return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
}

asgi_websocket* new_asgi_websocket(PyTypeObject* type, asgi_application& home,
                                   const http::websocket_handshake& handshake) {
    auto* self = PyObject_GC_New(asgi_websocket, type);
    if (self == nullptr) return nullptr;
    std::memset(reinterpret_cast<char*>(self) + sizeof(PyObject), 0,
                sizeof(asgi_websocket) - sizeof(PyObject));
    self->cpp = new asgi_websocket::ear(handshake);
    self->cpp->self = self;
    enter_list(self, home);
    self->exchange = &home.port().hold();
    self->exchange->listen(self->cpp);
    PyObject_GC_Track(self);
    return self;
}

}  // namespace allcores::runtime
