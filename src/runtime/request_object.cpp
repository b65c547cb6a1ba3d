#include "runtime/request_object.h"

#include <structmember.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "http/uri.h"

namespace allcores::runtime {

namespace {

PyObject* latin1(std::string_view text) {
    return PyUnicode_DecodeLatin1(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr);
}

PyObject* bytes(std::string_view text) {
    return PyBytes_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
}

PyObject* decode_path(std::string_view raw) {
    std::string decoded;
    if (http::decode_path(raw, decoded)) raw = decoded;
    return PyUnicode_DecodeUTF8(raw.data(), static_cast<Py_ssize_t>(raw.size()), "replace");
}

request_object* cast(PyObject* self) {
    return reinterpret_cast<request_object*>(self);
}

// A value that is made once: `make` runs while the view is there; a detached request has made all
// of them.
template <typename Make>
PyObject* once(PyObject*& slot, Make make) {
    if (slot == nullptr) {
        slot = make();
        if (slot == nullptr) return nullptr;
    }
    return Py_NewRef(slot);
}

PyObject* get_raw_path(PyObject* object, void*) {
    auto* self = cast(object);
    return once(self->raw_path, [&] { return bytes(self->view->path); });
}

PyObject* get_query_string(PyObject* object, void*) {
    auto* self = cast(object);
    return once(self->query_string, [&] { return bytes(self->view->query); });
}

PyObject* get_body(PyObject* object, void*) {
    auto* self = cast(object);
    return once(self->body, [&] { return bytes(self->view->body); });
}

PyObject* field_name(std::string_view name) {
    std::array<char, 64> small;
    std::string large;
    char* lower = small.data();
    if (name.size() > small.size()) {
        large.resize(name.size());
        lower = large.data();
    }
    for (std::size_t i = 0; i < name.size(); ++i) {
        const char c = name[i];
        lower[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    }
    return latin1({lower, name.size()});
}

// A tuple of (lower-case name, value) pairs, in the order received.
PyObject* get_fields(PyObject* object, void*) {
    auto* self = cast(object);
    return once(self->fields, [&]() -> PyObject* {
        const auto headers = self->view->headers;
        PyObject* result = PyTuple_New(static_cast<Py_ssize_t>(headers.size()));
        if (result == nullptr) return nullptr;
        for (std::size_t i = 0; i < headers.size(); ++i) {
            PyObject* name = field_name(headers[i].name);
            PyObject* value = name != nullptr ? latin1(headers[i].value) : nullptr;
            PyObject* pair = value != nullptr ? PyTuple_Pack(2, name, value) : nullptr;
            Py_XDECREF(name);
            Py_XDECREF(value);
            if (pair == nullptr) {
                Py_DECREF(result);
                return nullptr;
            }
            PyTuple_SET_ITEM(result, static_cast<Py_ssize_t>(i), pair);
        }
        return result;
    });
}

// A mapping that the support module makes from something that this object has.
PyObject* from_support(request_object* self, PyObject*& slot, const char* function,
                       PyObject* (*source)(PyObject*, void*)) {
    return once(slot, [&]() -> PyObject* {
        PyObject* argument = source(reinterpret_cast<PyObject*>(self), nullptr);
        if (argument == nullptr) return nullptr;
        PyObject* result = PyObject_CallMethod(self->support, function, "(O)", argument);
        Py_DECREF(argument);
        return result;
    });
}

PyObject* get_query(PyObject* self, void*) {
    return from_support(cast(self), cast(self)->query, "make_query", get_query_string);
}

PyObject* get_headers(PyObject* self, void*) {
    return from_support(cast(self), cast(self)->headers, "make_headers", get_fields);
}

PyObject* get_cookies(PyObject* self, void*) {
    return from_support(cast(self), cast(self)->cookies, "make_cookies", get_headers);
}

PyObject* get_client(PyObject* object, void*) {
    auto* self = cast(object);
    return once(self->client, [&] {
        const auto& client = self->view->client;
        return PyObject_CallMethod(self->support, "make_client", "s#i", client.host.data(),
                                   static_cast<Py_ssize_t>(client.host.size()),
                                   static_cast<int>(client.port));
    });
}

PyObject* get_state(PyObject* object, void*) {
    return once(cast(object)->state, [] { return PyDict_New(); });
}

PyObject* get_scheme(PyObject* object, void*) {
    return PyUnicode_InternFromString(cast(object)->is_https ? "https" : "http");
}

PyObject* json(PyObject* self, PyObject*) {
    return PyObject_CallMethod(cast(self)->support, "parse_json", "(O)", self);
}

PyObject* form(PyObject* self, PyObject*) {
    return PyObject_CallMethod(cast(self)->support, "parse_form", "(O)", self);
}

PyObject* repr(PyObject* self) {
    return PyUnicode_FromFormat("<Request %U %R>", cast(self)->method, cast(self)->path);
}

int clear(PyObject* object) {
    auto* self = cast(object);
    for (PyObject** slot : {&self->method, &self->path, &self->raw_path, &self->query_string,
                            &self->query, &self->fields, &self->headers, &self->cookies,
                            &self->body, &self->client, &self->state}) {
        Py_CLEAR(*slot);
    }
    return 0;
}

int traverse(PyObject* object, visitproc visit, void* arg) {
    auto* self = cast(object);
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->support);
    Py_VISIT(self->query);
    Py_VISIT(self->fields);
    Py_VISIT(self->headers);
    Py_VISIT(self->cookies);
    Py_VISIT(self->client);
    Py_VISIT(self->state);
    return 0;
}

// The collector may only take what a request can live without: the user's own state.
int collect(PyObject* object) {
    Py_CLEAR(cast(object)->state);
    return 0;
}

void deallocate(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear(self);
    Py_CLEAR(cast(self)->support);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

// What nearly every handler asks for is there before, as members: CPython's specialized LOAD_ATTR
// reads them without a call.
PyMemberDef members[] = {
    {"method", Py_T_OBJECT_EX, offsetof(request_object, method), Py_READONLY,
     "The method, in upper case: 'GET'."},
    {"path", Py_T_OBJECT_EX, offsetof(request_object, path), Py_READONLY,
     "The path, percent-decoded: '/café'."},
    {nullptr, 0, 0, 0, nullptr},
};

PyGetSetDef attributes[] = {
    {"raw_path", get_raw_path, nullptr, "The path as it was sent, bytes.", nullptr},
    {"query_string", get_query_string, nullptr, "What follows the '?', as it was sent, bytes.",
     nullptr},
    {"query", get_query, nullptr, "The query's fields: a mapping, with getlist(name).", nullptr},
    {"fields", get_fields, nullptr,
     "The header fields: a tuple of (lower-case name, value), as received.", nullptr},
    {"headers", get_headers, nullptr,
     "The header fields: a case-insensitive mapping, with getlist(name).", nullptr},
    {"cookies", get_cookies, nullptr, "The cookies that the client sent: a dict.", nullptr},
    {"body", get_body, nullptr, "The whole body, bytes; empty where there is none.", nullptr},
    {"client", get_client, nullptr, "The client's address: a named tuple (host, port).", nullptr},
    {"scheme", get_scheme, nullptr, "'http'; 'https' where a trusted proxy says so.", nullptr},
    {"state", get_state, nullptr, "A dict for whoever handles this request.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMethodDef methods[] = {
    {"json", json, METH_NOARGS,
     "json($self, /)\n--\n\nThe body parsed as JSON. HTTPError(400) where it is not JSON."},
    {"form", form, METH_NOARGS,
     "form($self, /)\n--\n\nThe body parsed as a form (urlencoded or multipart): a mapping, with\n"
     "getlist(name). HTTPError(400) where it is malformed, 415 where it is something else."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("One HTTP request. Made by the server; a handler gets it.")},
    {Py_tp_members, members},
    {Py_tp_getset, attributes},
    {Py_tp_methods, methods},
    {Py_tp_repr, reinterpret_cast<void*>(repr)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(collect)},
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
    {0, nullptr},
};

PyType_Spec spec = {
    "allcores.http.Request",
    sizeof(request_object),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
        Py_TPFLAGS_IMMUTABLETYPE,
    slots,
};

// Copies what the view still has, so that the object can outlive it. What can't be made (no
// memory) becomes None.
void detach(request_object* self) {
    PyObject* object = reinterpret_cast<PyObject*>(self);
    for (auto* get : {get_raw_path, get_query_string, get_fields, get_body, get_client}) {
        PyObject* value = get(object, nullptr);
        if (value == nullptr) PyErr_WriteUnraisable(object);
        Py_XDECREF(value);
    }
    for (PyObject** slot :
         {&self->raw_path, &self->query_string, &self->fields, &self->body, &self->client}) {
        if (*slot == nullptr) *slot = Py_NewRef(Py_None);
    }
}

}  // namespace

PyObject* string_cache::method(std::uint8_t number, std::string_view name) {
    if (number >= methods_.size()) return latin1(name);
    PyObject*& slot = methods_[number];
    if (slot == nullptr) {
        slot = latin1(name);
        if (slot == nullptr) return nullptr;
        PyUnicode_InternInPlace(&slot);
    }
    return Py_NewRef(slot);
}

PyObject* string_cache::path(std::string_view raw) {
    if (raw.size() > longest_path) return decode_path(raw);
    std::size_t hash = raw.size();
    for (const char c : raw) hash = hash * 31 + static_cast<unsigned char>(c);
    path_slot& slot = paths_[(hash ^ (hash >> 6)) % path_slots];
    if (slot.decoded != nullptr && slot.size == raw.size() &&
        std::memcmp(slot.raw.data(), raw.data(), raw.size()) == 0) {
        return Py_NewRef(slot.decoded);
    }
    PyObject* decoded = decode_path(raw);
    if (decoded == nullptr) return nullptr;
    std::memcpy(slot.raw.data(), raw.data(), raw.size());
    slot.size = static_cast<std::uint8_t>(raw.size());
    Py_XSETREF(slot.decoded, Py_NewRef(decoded));
    return decoded;
}

void string_cache::clear() {
    for (PyObject*& method : methods_) Py_CLEAR(method);
    for (path_slot& slot : paths_) Py_CLEAR(slot.decoded);
}

PyTypeObject* make_request_type(PyObject* module) {
    return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
}

request_object* new_request(PyTypeObject* type, PyObject* support) {
    auto* self = PyObject_GC_New(request_object, type);
    if (self == nullptr) return nullptr;
    std::memset(reinterpret_cast<char*>(self) + sizeof(PyObject), 0,
                sizeof(request_object) - sizeof(PyObject));
    self->support = Py_NewRef(support);
    PyObject_GC_Track(self);
    return self;
}

bool begin_request(request_object* self, const http::request& view, string_cache& strings) {
    self->view = &view;
    self->is_https = view.scheme == "https";
    self->method = strings.method(view.method_number, view.method);
    self->path = self->method != nullptr ? strings.path(view.path) : nullptr;
    return self->path != nullptr;
}

bool finish_request(request_object* self) {
    if (Py_REFCNT(self) == 1) {
        clear(reinterpret_cast<PyObject*>(self));
        self->view = nullptr;
        return true;
    }
    detach(self);
    self->view = nullptr;
    Py_DECREF(self);
    return false;
}

}  // namespace allcores::runtime
