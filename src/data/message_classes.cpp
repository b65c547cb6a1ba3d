#include "data/message_classes.h"
// After CPython's internal headers:
#include <cstring>
#include <span>

#include "data/message_types.h"

namespace allcores::data {
namespace {

// Methods that say how an object is pickled, or what its attributes are.
constexpr name as_in_base[] = {name::reduce_ex, name::reduce, name::get_state, name::get_attribute};
constexpr name nowhere[] = {name::set_state, name::get_new_arguments, name::get_new_arguments_ex};

}  // namespace

// In copyreg, which is not imported for this: who registers something there has done so.
bool has_registered_reduction(PyTypeObject* type) {
    PyObject* module = PyDict_GetItem(PyImport_GetModuleDict(), name_of(name::copyreg));
    if (module == nullptr || !PyModule_Check(module)) return false;
    PyObject* table = PyDict_GetItem(PyModule_GetDict(module), name_of(name::dispatch_table));
    return table != nullptr && PyDict_Check(table) &&
           PyDict_GetItem(table, reinterpret_cast<PyObject*>(type)) != nullptr;
}

namespace {

// Whether nothing says that objects of a class are pickled in another way than those of `base`, but
// for what is not looked for: it has none of these attributes. Runs no Python code.
bool is_pickled_as(PyTypeObject* base, PyTypeObject* type, std::span<const name> attributes) {
    // (A class is a key in copyreg's table.)
    if (Py_TYPE(type)->tp_hash != PyType_Type.tp_hash ||
        Py_TYPE(type)->tp_richcompare != PyType_Type.tp_richcompare) {
        return false;
    }
    for (const name each : as_in_base) {
        PyObject* text = name_of(each);
        if (_PyType_Lookup(type, text) != _PyType_Lookup(base, text)) return false;
    }
    for (const name each : attributes) {
        if (_PyType_Lookup(type, name_of(each)) != nullptr) return false;
    }
    return !has_registered_reduction(type);
}

// Finds the slots of a class and of those that it is derived from, in the order in which they lie
// in an object; false where there is more in an object, or a name that means something else.
bool find_slots(PyTypeObject* type, std::vector<slot_place>& slots) {
    Py_ssize_t next = sizeof(PyObject);
    for (Py_ssize_t i = PyTuple_GET_SIZE(type->tp_mro); i-- > 0;) {
        auto* base = reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(type->tp_mro, i));
        if (!PyType_HasFeature(base, Py_TPFLAGS_HEAPTYPE)) continue;
        PyObject* names = reinterpret_cast<PyHeapTypeObject*>(base)->ht_slots;
        for (Py_ssize_t at = 0; names != nullptr && at < PyTuple_GET_SIZE(names); at++) {
            PyObject* name = PyTuple_GET_ITEM(names, at);
            PyObject* found = _PyType_Lookup(type, name);
            if (found == nullptr || Py_TYPE(found) != &PyMemberDescr_Type) return false;
            const PyMemberDef& member = *reinterpret_cast<PyMemberDescrObject*>(found)->d_member;
            if (member.type != Py_T_OBJECT_EX || member.flags != 0 || member.offset != next)
                return false;
            slots.push_back({name, next});
            next += static_cast<Py_ssize_t>(sizeof(PyObject*));
        }
    }
    return type->tp_basicsize == next;
}

}  // namespace

bool is_plain_class(PyTypeObject* type, std::vector<slot_place>& slots) {
    if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) || !may_be_plain(type) ||
        PyType_HasFeature(type, Py_TPFLAGS_IS_ABSTRACT)) {
        return false;
    }
    if (type->tp_new != PyBaseObject_Type.tp_new || type->tp_alloc != PyType_GenericAlloc ||
        type->tp_itemsize != 0) {
        return false;
    }
    if (!is_pickled_as(&PyBaseObject_Type, type, nowhere)) return false;
    if (!PyType_HasFeature(type, Py_TPFLAGS_INLINE_VALUES)) {
        // (Pickle asks an object for what it has by their names.)
        return _PyType_Lookup(type, name_of(name::get_attr)) == nullptr && find_slots(type, slots);
    }
    PyObject* attributes = _PyType_Lookup(type, name_of(name::dict));
    return attributes != nullptr && Py_TYPE(attributes) == &PyGetSetDescr_Type &&
           type->tp_basicsize == sizeof(PyObject);
}

namespace {

// What namedtuple() makes of its arguments, an expression: lambda _cls, x, y: _tuple_new(...).
bool is_made_by_namedtuple(const PyFunctionObject* made) {
    PyObject* name = PyDict_GetItem(made->func_globals, name_of(name::dunder_name));
    PyObject* builtins = PyDict_GetItem(made->func_globals, name_of(name::builtins));
    return name != nullptr && PyUnicode_Check(name) &&
           PyUnicode_Tailmatch(name, name_of(name::namedtuple_prefix), 0, PY_SSIZE_T_MAX, -1) ==
               1 &&
           builtins != nullptr && PyDict_CheckExact(builtins) && PyDict_GET_SIZE(builtins) == 0 &&
           PyDict_GetItem(made->func_globals, name_of(name::tuple_new)) != nullptr;
}

bool is_of_collections(const PyFunctionObject* method) {
    const auto* code = reinterpret_cast<const PyCodeObject*>(method->func_code);
    PyObject* module = PyDict_GetItem(PyImport_GetModuleDict(), name_of(name::collections));
    return module != nullptr && PyModule_Check(module) &&
           method->func_globals == PyModule_GetDict(module) &&
           PyUnicode_Compare(code->co_qualname, name_of(name::namedtuple_arguments)) == 0;
}

const PyFunctionObject* as_function(PyObject* object) {
    if (object == nullptr || !PyFunction_Check(object)) return nullptr;
    return reinterpret_cast<const PyFunctionObject*>(object);
}

}  // namespace

std::int64_t fields_of_named_tuple(PyTypeObject* type) {
    constexpr std::int64_t none = -1;
    if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) ||
        !PyType_HasFeature(type, Py_TPFLAGS_TUPLE_SUBCLASS) ||
        PyType_HasFeature(type, Py_TPFLAGS_IS_ABSTRACT | Py_TPFLAGS_MANAGED_DICT)) {
        return none;
    }
    if (type->tp_alloc != PyType_GenericAlloc || type->tp_dictoffset != 0 ||
        type->tp_itemsize != PyTuple_Type.tp_itemsize ||
        type->tp_basicsize != PyTuple_Type.tp_basicsize) {
        return none;
    }
    constexpr name not_here[] = {name::set_state, name::get_new_arguments_ex, name::get_attr};
    if (!is_pickled_as(&PyTuple_Type, type, not_here)) return none;
    const PyFunctionObject* arguments =
        as_function(_PyType_Lookup(type, name_of(name::get_new_arguments)));
    PyObject* creator = _PyType_Lookup(type, name_of(name::create));
    if (arguments == nullptr || creator == nullptr || Py_TYPE(creator) != &PyStaticMethod_Type)
        return none;
    ref unwrapped = checked(PyObject_GetAttr(creator, name_of(name::function)));
    const PyFunctionObject* made = as_function(unwrapped.get());
    if (made == nullptr || !is_of_collections(arguments) || !is_made_by_namedtuple(made))
        return none;
    return reinterpret_cast<const PyCodeObject*>(made->func_code)->co_argcount - 1;
}

bool is_plain_attribute(PyTypeObject* type, PyObject* name) {
    if (!PyUnicode_CheckExact(name) || !PyUnicode_IS_COMPACT_ASCII(name)) return false;
    const Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    const auto* text = reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(name));
    if (length == 0 || length > 255 || std::memchr(text, 0, static_cast<std::size_t>(length)))
        return false;
    if (length > 2 && text[0] == '_' && text[1] == '_') return false;  // __reduce_ex__ of an object
    PyObject* found = _PyType_Lookup(type, name);
    return found == nullptr || Py_TYPE(found)->tp_descr_set == nullptr ||
           (Py_TYPE(found) == &PyMemberDescr_Type &&
            !PyType_HasFeature(type, Py_TPFLAGS_INLINE_VALUES));
}

namespace {

bool is_still_there(const known_place& known, PyTypeObject* type) {
    PyObject* module = PyDict_GetItem(PyImport_GetModuleDict(), known.module.get());
    return module != nullptr && PyModule_Check(module) &&
           PyDict_GetItem(PyModule_GetDict(module), known.name.get()) ==
               reinterpret_cast<PyObject*>(type);
}

std::string text_of(PyObject* object) {
    Py_ssize_t size = 0;
    const char* text = PyUnicode_AsUTF8AndSize(object, &size);
    if (text == nullptr) throw python_error();
    return {text, static_cast<std::size_t>(size)};
}

}  // namespace

const class_place* place_of_class(PyTypeObject* type) {
    known_places& all = places_of_classes();
    if (const auto found = all.find(type); found != all.end()) {
        if (is_still_there(found->second, type)) return &found->second.place;
        all.erase(found);
        return nullptr;
    }
    known_place made;
    made.type = ref::borrow(reinterpret_cast<PyObject*>(type));
    made.module = checked(PyType_GetModuleName(type));
    made.name = checked(PyType_GetQualName(type));
    if (!PyUnicode_CheckExact(made.module.get()) || !is_still_there(made, type)) return nullptr;
    ref functions = checked(PyImport_ImportModule("allcores._functions"));
    ref importable =
        checked(PyObject_CallMethod(functions.get(), "goes_by_name", "O", made.type.get()));
    if (importable.get() != Py_True) return nullptr;
    made.place = {text_of(made.module.get()), text_of(made.name.get())};
    return &all.insert_or_assign(type, std::move(made)).first->second.place;
}

void require_class(PyObject* found, std::int64_t fields) {
    if (PyType_Check(found)) {
        auto* type = reinterpret_cast<PyTypeObject*>(found);
        std::vector<slot_place> slots;
        if (fields < 0 ? is_plain_class(type, slots) : fields_of_named_tuple(type) == fields)
            return;
    }
    PyErr_Format(PyExc_TypeError,
                 "%R is not the class here that it is in the interpreter that sent an object of it",
                 found);
    throw python_error();
}

ref class_at(const class_place& place, std::int64_t fields) {
    ref module = checked(PyUnicode_FromStringAndSize(place.module.data(),
                                                     static_cast<Py_ssize_t>(place.module.size())));
    ref name = checked(
        PyUnicode_FromStringAndSize(place.name.data(), static_cast<Py_ssize_t>(place.name.size())));
    PyObject* loaded = PyDict_GetItem(PyImport_GetModuleDict(), module.get());
    if (loaded != nullptr && PyModule_Check(loaded)) {
        if (PyObject* found = PyDict_GetItem(PyModule_GetDict(loaded), name.get())) {
            require_class(found, fields);
            return ref::borrow(found);
        }
    }
    // It is not imported yet, or not wholly.
    ref imported = checked(PyImport_Import(module.get()));
    if (PyObject* whole = PyDict_GetItem(PyImport_GetModuleDict(), module.get()))
        imported = ref::borrow(whole);  // not the package that it is in
    ref found = checked(PyObject_GetAttr(imported.get(), name.get()));
    require_class(found.get(), fields);
    return found;
}

}  // namespace allcores::data
