#include "data/message_classes.h"
// After CPython's internal headers:
#include <cstring>

#include "data/message_types.h"

namespace allcores::data {
namespace {

// Methods that say how an object is pickled, or what its attributes are.
constexpr name as_in_object[] = {name::reduce_ex, name::reduce, name::get_state,
                                 name::get_attribute};
constexpr name nowhere[] = {name::set_state, name::get_new_arguments, name::get_new_arguments_ex};

// In copyreg, which is not imported for this: who registers something there has done so.
bool has_registered_reduction(PyTypeObject* type) {
    PyObject* module = PyDict_GetItem(PyImport_GetModuleDict(), name_of(name::copyreg));
    if (module == nullptr || !PyModule_Check(module)) return false;
    PyObject* table = PyDict_GetItem(PyModule_GetDict(module), name_of(name::dispatch_table));
    return table != nullptr && PyDict_Check(table) &&
           PyDict_GetItem(table, reinterpret_cast<PyObject*>(type)) != nullptr;
}

}  // namespace

bool is_plain_class(PyTypeObject* type) {
    if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) ||
        !PyType_HasFeature(type, Py_TPFLAGS_INLINE_VALUES) ||
        PyType_HasFeature(type, Py_TPFLAGS_IS_ABSTRACT)) {
        return false;
    }
    if (type->tp_new != PyBaseObject_Type.tp_new || type->tp_alloc != PyType_GenericAlloc ||
        type->tp_itemsize != 0 || type->tp_basicsize != sizeof(PyObject)) {
        return false;
    }
    // (A class is a key below.)
    if (Py_TYPE(type)->tp_hash != PyType_Type.tp_hash ||
        Py_TYPE(type)->tp_richcompare != PyType_Type.tp_richcompare) {
        return false;
    }
    for (const name each : as_in_object) {
        PyObject* text = name_of(each);
        if (_PyType_Lookup(type, text) != _PyType_Lookup(&PyBaseObject_Type, text)) return false;
    }
    for (const name each : nowhere) {
        if (_PyType_Lookup(type, name_of(each)) != nullptr) return false;
    }
    PyObject* attributes = _PyType_Lookup(type, name_of(name::dict));
    return attributes != nullptr && Py_TYPE(attributes) == &PyGetSetDescr_Type &&
           !has_registered_reduction(type);
}

bool is_plain_attribute(PyTypeObject* type, PyObject* name) {
    if (!PyUnicode_CheckExact(name) || !PyUnicode_IS_COMPACT_ASCII(name)) return false;
    const Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    const auto* text = reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(name));
    if (length == 0 || length > 255 || std::memchr(text, 0, static_cast<std::size_t>(length)))
        return false;
    if (length > 2 && text[0] == '_' && text[1] == '_') return false;  // __reduce_ex__ of an object
    PyObject* found = _PyType_Lookup(type, name);
    return found == nullptr || Py_TYPE(found)->tp_descr_set == nullptr;
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

void require_plain_class(PyObject* found) {
    if (PyType_Check(found) && is_plain_class(reinterpret_cast<PyTypeObject*>(found))) return;
    PyErr_Format(PyExc_TypeError,
                 "%R is not the class here that it is in the interpreter that sent an object of it",
                 found);
    throw python_error();
}

ref class_at(const class_place& place) {
    ref module = checked(PyUnicode_FromStringAndSize(place.module.data(),
                                                     static_cast<Py_ssize_t>(place.module.size())));
    ref name = checked(
        PyUnicode_FromStringAndSize(place.name.data(), static_cast<Py_ssize_t>(place.name.size())));
    PyObject* loaded = PyDict_GetItem(PyImport_GetModuleDict(), module.get());
    if (loaded != nullptr && PyModule_Check(loaded)) {
        if (PyObject* found = PyDict_GetItem(PyModule_GetDict(loaded), name.get())) {
            require_plain_class(found);
            return ref::borrow(found);
        }
    }
    // It is not imported yet, or not wholly.
    ref imported = checked(PyImport_Import(module.get()));
    if (PyObject* whole = PyDict_GetItem(PyImport_GetModuleDict(), module.get()))
        imported = ref::borrow(whole);  // not the package that it is in
    ref found = checked(PyObject_GetAttr(imported.get(), name.get()));
    require_plain_class(found.get());
    return found;
}

}  // namespace allcores::data
