#include "data/message_classes.h"
// After CPython's internal headers:
#include <datetime.h>

#include <array>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "data/foreign_memory.h"
#include "data/frozen.h"
#include "data/guarded.h"
#include "data/message_types.h"

namespace allcores::data {
namespace {

// One interpreter's table. Owned by a capsule in the interpreter's own dict, which goes with its
// GIL held when it ends.
struct table {
    std::unordered_map<PyTypeObject*, const pointer_type*> pointers;
    std::unordered_map<const pointer_type*, ref> classes;  // the other way, and keeps them
    std::unordered_map<PyTypeObject*, known> known_ones;
    known_places places;
    std::vector<ref> kept;  // the classes of known_ones, and what known_classes borrows
    known_classes made = {};
    std::array<ref, static_cast<std::size_t>(name::count)> names;
};

constexpr const char* capsule_name = "allcores.message_types";

// The interpreter that this thread asked for last; ids are never used twice.
thread_local std::int64_t last_id = -1;
thread_local table* last_table = nullptr;

// On the thread that ends the interpreter, the only one that may still come here for it.
void drop_table(PyObject* capsule) {
    last_id = -1;
    delete static_cast<table*>(PyCapsule_GetPointer(capsule, capsule_name));
}

table* make_table() {
    PyObject* interpreter_dict = PyInterpreterState_GetDict(PyInterpreterState_Get());
    if (interpreter_dict == nullptr) {
        PyErr_SetString(PyExc_RuntimeError, "allcores: the interpreter is ending");
        throw python_error();
    }
    PyObject* found = PyDict_GetItemString(interpreter_dict, capsule_name);
    if (found != nullptr) return static_cast<table*>(PyCapsule_GetPointer(found, capsule_name));
    auto made = std::make_unique<table>();
    constexpr const char* texts[] = {
        "typecode",       "frombytes",         "int",
        "is_safe",        "_value_",           "__reduce_ex__",
        "__reduce__",     "__getstate__",      "__setstate__",
        "__getnewargs__", "__getnewargs_ex__", "__getattribute__",
        "__dict__",       "copyreg",           "dispatch_table",
        "__new__",        "__func__",          "__getattr__",
        "__name__",       "__builtins__",      "collections",
        "_tuple_new",     "namedtuple_",       "namedtuple.<locals>.__getnewargs__"};
    static_assert(std::size(texts) == static_cast<std::size_t>(name::count));
    for (std::size_t i = 0; i < std::size(texts); i++)
        made->names[i] = checked(PyUnicode_InternFromString(texts[i]));
    ref capsule = checked(PyCapsule_New(made.get(), capsule_name, drop_table));
    table* result = made.release();
    checked(PyDict_SetItemString(interpreter_dict, capsule_name, capsule.get()));
    return result;
}

table& current() {
    const std::int64_t id = PyInterpreterState_GetID(PyInterpreterState_Get());
    if (id != last_id) {
        last_table = make_table();
        last_id = id;
    }
    return *last_table;
}

struct description {
    known which;
    const char* type_name;  // as in tp_name: of classes written in Python without the module
    const char* module;
    const char* attribute;
};
constexpr description descriptions[] = {
    {known::date, "datetime.date", "datetime", "date"},
    {known::time, "datetime.time", "datetime", "time"},
    {known::datetime, "datetime.datetime", "datetime", "datetime"},
    {known::timedelta, "datetime.timedelta", "datetime", "timedelta"},
    {known::timezone, "datetime.timezone", "datetime", "timezone"},
    {known::decimal, "decimal.Decimal", "decimal", "Decimal"},
    {known::uuid, "UUID", "uuid", "UUID"},
    {known::array, "array.array", "array", "array"},
    {known::name_space, "types.SimpleNamespace", "types", "SimpleNamespace"},
};

// A class that is found where it says it is, in a module that is imported; borrowed, or null.
PyObject* imported_class(const description& one) {
    PyObject* modules = PyImport_GetModuleDict();
    PyObject* module = PyDict_GetItemString(modules, one.module);
    if (module == nullptr || !PyModule_Check(module)) return nullptr;
    return PyDict_GetItemString(PyModule_GetDict(module), one.attribute);
}

}  // namespace

void cross_by_pointer(PyTypeObject* type, const pointer_type* how) {
    table& own = current();
    ref kept = ref::borrow(reinterpret_cast<PyObject*>(type));
    own.pointers[type] = how;
    own.classes.insert_or_assign(how, std::move(kept));
}

const pointer_type* pointer_type_of(PyTypeObject* type) {
    table& own = current();
    const auto found = own.pointers.find(type);
    return found == own.pointers.end() ? nullptr : found->second;
}

bool has_other_way(PyObject* object) {
    if (is_frozen_object(object)) return true;
    PyTypeObject* type = Py_TYPE(object);
    if (type == &PyMemoryView_Type) return frozen_view_of(object) != nullptr;
    return PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) && pointer_type_of(type) != nullptr;
}

PyTypeObject* class_for(const pointer_type* how) {
    table& own = current();
    auto found = own.classes.find(how);
    if (found == own.classes.end()) {
        // It is registered by the module, which a receiver may not have imported yet.
        const ref module = checked(PyImport_ImportModule("allcores._core"));
        found = own.classes.find(how);
    }
    if (found == own.classes.end()) {
        PyErr_SetString(
            PyExc_ImportError,
            "this interpreter does not have the class of an object that was sent to it");
        throw python_error();
    }
    return reinterpret_cast<PyTypeObject*>(found->second.get());
}

known known_type(PyTypeObject* type) {
    table& own = current();
    const auto found = own.known_ones.find(type);
    if (found != own.known_ones.end()) return found->second;
    for (const description& one : descriptions) {
        if (std::strcmp(type->tp_name, one.type_name) != 0) continue;
        if (imported_class(one) != reinterpret_cast<PyObject*>(type)) continue;
        own.kept.push_back(ref::borrow(reinterpret_cast<PyObject*>(type)));
        own.known_ones[type] = one.which;
        return one.which;
    }
    return known::other;
}

const known_classes& import_known(std::uint32_t which) {
    table& own = current();
    known_classes& made = own.made;
    const auto wanted = [&](std::initializer_list<known> some) {
        for (const known each : some) {
            if ((which >> static_cast<unsigned>(each) & 1) != 0) return true;
        }
        return false;
    };
    const auto keep = [&](ref object) {
        PyObject* borrowed = object.get();
        own.kept.push_back(std::move(object));
        return borrowed;
    };
    const auto import = [&](const char* module, const char* attribute) {
        ref found = checked(PyImport_ImportModule(module));
        return keep(checked(PyObject_GetAttrString(found.get(), attribute)));
    };
    if (made.datetime_api == nullptr &&
        wanted({known::date, known::time, known::datetime, known::timedelta, known::timezone})) {
        const ref module = checked(PyImport_ImportModule("datetime"));
        made.datetime_api = PyCapsule_Import(PyDateTime_CAPSULE_NAME, 0);
        if (made.datetime_api == nullptr) throw python_error();
    }
    if (made.decimal == nullptr && wanted({known::decimal}))
        made.decimal = import("decimal", "Decimal");
    if (made.uuid == nullptr && wanted({known::uuid})) {
        PyObject* safety = import("uuid", "SafeUUID");
        int i = 0;
        for (const char* member : {"safe", "unknown", "unsafe"})
            made.uuid_safety[i++] = keep(checked(PyObject_GetAttrString(safety, member)));
        made.uuid = import("uuid", "UUID");
    }
    if (made.array == nullptr && wanted({known::array})) made.array = import("array", "array");
    if (made.name_space == nullptr && wanted({known::name_space}))
        made.name_space = import("types", "SimpleNamespace");
    return made;
}

known_places& places_of_classes() {
    return current().places;
}

PyObject* name_of(name which) {
    return current().names[static_cast<std::size_t>(which)].get();
}

}  // namespace allcores::data
