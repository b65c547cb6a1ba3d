#include "runtime/wsgi_input.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string>

#include "data/guarded.h"

namespace allcores::runtime {

namespace {

constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

wsgi_input* cast(PyObject* object) {
    return reinterpret_cast<wsgi_input*>(object);
}

PyObject* bytes(std::string_view text) {
    return PyBytes_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
}

// The rest of a body that came too late, or not at all.
bool refuse_rest(const wsgi_input* self) {
    if (self->gone) {
        PyObject* error = Py_BuildValue("(is)", ECONNRESET,
                                        "the client went away, or was too slow, before the "
                                        "request's body was complete");
        if (error != nullptr) PyErr_SetObject(PyExc_ConnectionResetError, error);
        Py_XDECREF(error);
        return false;
    }
    if (!self->cut) return true;
    PyErr_SetString(PyExc_OSError, "wsgi.input: the request was answered, its body is not there");
    return false;
}

// Whether unread() of the exchange has something: waits for it. False at the body's end, and with
// an exception set when it won't come.
bool wait_for_more(wsgi_input* self) {
    if (self->exchange == nullptr) {
        (void)refuse_rest(self);
        return false;
    }
    if (self->thread != PyThread_get_thread_ident()) {
        PyErr_SetString(PyExc_RuntimeError,
                        "wsgi.input: a body that still comes can be read only on the thread that "
                        "the application was called on");
        return false;
    }
    switch (self->exchange->wait_input()) {
        case http::exchange::input::some:
            return true;
        case http::exchange::input::gone:
            self->exchange = nullptr;
            self->gone = true;
            (void)refuse_rest(self);
            return false;
        default:
            self->exchange = nullptr;
            return false;
    }
}

std::string_view here(const wsgi_input* self) {
    return {self->at, self->left};
}

void take(wsgi_input* self, std::size_t size) {
    self->at += size;
    self->left -= size;
    if (self->left == 0) Py_CLEAR(self->owner);
}

// Up to `limit` bytes, less only at the end. The parts are put together as they come: the client
// says how many there are, so nothing is set aside for what has not come.
PyObject* read_streamed(wsgi_input* self, std::size_t limit) {
    std::string all;
    while (all.size() < limit && wait_for_more(self)) {
        const std::string_view part = self->exchange->unread().substr(0, limit - all.size());
        if (all.empty() && part.size() == limit) {
            PyObject* result = bytes(part);
            if (result != nullptr) self->exchange->take(part.size());
            return result;
        }
        all.append(part);
        self->exchange->take(part.size());
    }
    return PyErr_Occurred() ? nullptr : bytes(all);
}

PyObject* read_at_most(wsgi_input* self, std::size_t limit) {
    if (self->exchange != nullptr) return read_streamed(self, limit);
    if (self->left == 0 && limit != 0 && !refuse_rest(self)) return nullptr;
    const std::size_t size = std::min(limit, self->left);
    PyObject* result = bytes({self->at, size});
    if (result != nullptr) take(self, size);
    return result;
}

PyObject* read_line_streamed(wsgi_input* self, std::size_t limit) {
    std::string line;
    while (line.size() < limit && wait_for_more(self)) {
        std::string_view part = self->exchange->unread().substr(0, limit - line.size());
        const std::size_t end = part.find('\n');
        if (end != std::string_view::npos) part = part.substr(0, end + 1);
        line.append(part);
        self->exchange->take(part.size());
        if (end != std::string_view::npos) break;
    }
    return PyErr_Occurred() ? nullptr : bytes(line);
}

PyObject* read_line(wsgi_input* self, std::size_t limit) {
    if (self->exchange != nullptr) return read_line_streamed(self, limit);
    if (self->left == 0 && limit != 0 && !refuse_rest(self)) return nullptr;
    std::string_view line = here(self).substr(0, limit);
    const std::size_t end = line.find('\n');
    if (end != std::string_view::npos) line = line.substr(0, end + 1);
    PyObject* result = bytes(line);
    if (result != nullptr) take(self, line.size());
    return result;
}

// The one argument of all methods: a number, where None and what is below 0 mean no limit.
bool parse_limit(PyObject* const* arguments, Py_ssize_t count, std::size_t& limit) {
    limit = no_limit;
    if (count > 1) {
        PyErr_Format(PyExc_TypeError, "wsgi.input: at most 1 argument is taken (%zd given)", count);
        return false;
    }
    if (count == 0 || arguments[0] == Py_None) return true;
    const Py_ssize_t number = PyNumber_AsSsize_t(arguments[0], nullptr);  // clipped
    if (number == -1 && PyErr_Occurred()) return false;
    if (number >= 0) limit = static_cast<std::size_t>(number);
    return true;
}

// The limit of readlines() is a hint (0: none): no further line once so many bytes are read.
PyObject* read_lines(wsgi_input* self, std::size_t hint) {
    if (hint == 0) hint = no_limit;
    PyObject* lines = PyList_New(0);
    std::size_t size = 0;
    while (lines != nullptr && size < hint) {
        PyObject* line = read_line(self, no_limit);
        const bool is_end = line != nullptr && PyBytes_GET_SIZE(line) == 0;
        if (line != nullptr) size += static_cast<std::size_t>(PyBytes_GET_SIZE(line));
        if (line == nullptr || (!is_end && PyList_Append(lines, line) < 0)) Py_CLEAR(lines);
        Py_XDECREF(line);
        if (is_end) break;
    }
    return lines;
}

template <PyObject* (*Read)(wsgi_input*, std::size_t)>
PyObject* method(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    return data::guarded([&]() -> PyObject* {
        std::size_t limit;
        return parse_limit(arguments, count, limit) ? Read(cast(self), limit) : nullptr;
    });
}

PyObject* next_line(PyObject* self) {
    PyObject* line = data::guarded([&] { return read_line(cast(self), no_limit); });
    if (line != nullptr && PyBytes_GET_SIZE(line) == 0) Py_CLEAR(line);
    return line;
}

void deallocate(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    Py_CLEAR(cast(self)->owner);
    type->tp_free(self);
    Py_DECREF(type);
}

template <PyObject* (*Read)(wsgi_input*, std::size_t)>
const PyCFunction function =
    reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(method<Read>));

PyMethodDef methods[] = {
    {"read", function<read_at_most>, METH_FASTCALL,
     "read($self, size=-1, /)\n--\n\nSo many bytes, less only at the end of the body."},
    {"readline", function<read_line>, METH_FASTCALL,
     "readline($self, size=-1, /)\n--\n\nTo the end of the line, at most so many bytes."},
    {"readlines", function<read_lines>, METH_FASTCALL,
     "readlines($self, hint=-1, /)\n--\n\nAll lines, or those with which so many bytes are read."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("The body of a request (wsgi.input).")},
    {Py_tp_methods, methods},
    {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
    {Py_tp_iternext, reinterpret_cast<void*>(next_line)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
    {0, nullptr},
};

PyType_Spec spec = {
    "allcores.wsgi.Input",
    sizeof(wsgi_input),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

}  // namespace

PyTypeObject* make_wsgi_input_type() {
    return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
}

wsgi_input* new_wsgi_input(PyTypeObject* type) {
    return cast(type->tp_alloc(type, 0));  // all zero
}

void begin_input(wsgi_input* self, std::string_view body, http::exchange* exchange) {
    self->at = body.data();
    self->left = body.size();
    self->exchange = exchange;
    self->gone = self->cut = false;
    if (exchange != nullptr) self->thread = PyThread_get_thread_ident();
}

void end_stream(wsgi_input* self) {
    if (self->exchange == nullptr) return;
    self->exchange = nullptr;
    self->cut = true;
}

bool finish_input(wsgi_input* self, Py_ssize_t own) {
    end_stream(self);
    if (Py_REFCNT(self) <= own) {
        self->left = 0;
        Py_CLEAR(self->owner);
        return true;
    }
    if (self->left) {
        self->owner = bytes(here(self));
        if (self->owner == nullptr) {
            PyErr_WriteUnraisable(self->object());
            self->left = 0;
            self->cut = true;
        } else {
            self->at = PyBytes_AS_STRING(self->owner);
        }
    }
    Py_DECREF(self);
    return false;
}

}  // namespace allcores::runtime
