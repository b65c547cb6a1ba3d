// Objects of plain classes: made empty, so that what is in them can refer to them, and given their
// attributes when all of these are there. No __new__, __init__ or __setattr__ runs, as with pickle.
#include "data/message_classes.h"
#include "data/message_decoder.h"

namespace allcores::data {

namespace {

// A copy of a named tuple's class has copies of namedtuple()'s functions, which are not known for
// what they are, and cloudpickle's have a dict (before the object, so it does not matter). What it
// was in the sender counts, and that its objects are laid out as tuples.
bool is_laid_out_as_tuple(PyObject* found) {
    if (!PyType_Check(found)) return false;
    auto* type = reinterpret_cast<PyTypeObject*>(found);
    return PyType_HasFeature(type, Py_TPFLAGS_TUPLE_SUBCLASS) &&
           PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) && type->tp_alloc == PyType_GenericAlloc &&
           type->tp_itemsize == PyTuple_Type.tp_itemsize &&
           type->tp_basicsize == PyTuple_Type.tp_basicsize;
}

}  // namespace

// Before anything else is made, as importing runs Python code.
void decoder::find_classes() {
    for (const message_class& each : body_->more->classes) {
        if (each.picklable < 0) {
            found_classes_.push_back(class_at(each.place, each.fields));
            continue;
        }
        PyObject* found = PyList_GetItem(unpickled_.get(), each.picklable);
        if (found == nullptr) throw python_error();
        if (each.fields < 0 || !is_laid_out_as_tuple(found)) require_class(found, each.fields);
        found_classes_.push_back(ref::borrow(found));
    }
}

void decoder::take_shape() {
    shape& made = shapes_.emplace_back();
    made.type = reinterpret_cast<PyTypeObject*>(found_classes_.at(take<std::uint32_t>()).get());
    const auto count = take<std::uint32_t>();
    for (std::uint32_t i = 0; i < count; i++) {
        const auto length = take<std::uint8_t>();
        PyObject* name = PyUnicode_FromStringAndSize(take_bytes(length), length);
        if (name == nullptr) throw python_error();
        PyUnicode_InternInPlace(&name);
        made.names.push_back(ref::steal(name));
    }
}

PyObject* decoder::open_instance() {
    const auto number = take<std::uint32_t>();
    const shape& one = shapes_.at(number);
    ref made = checked(one.type->tp_alloc(one.type, 0));
    careful(made.get());
    frame& opened = open(sort::instance, made.get(), nullptr, 0);
    opened.shape = number;
    if (!one.names.empty()) make_scratch(opened, one.names.size());
    return made.release();
}

// True when it is whole, false when it has opened a frame for the rest.
bool decoder::take_named_tuple(PyObject** slot) {
    const auto number = take<std::uint32_t>();
    auto* type = reinterpret_cast<PyTypeObject*>(found_classes_.at(number).get());
    const auto fields = static_cast<Py_ssize_t>(body_->more->classes.at(number).fields);
    PyObject* made = type->tp_alloc(type, fields);
    if (made == nullptr) throw python_error();
    *slot = made;
    auto* tuple = reinterpret_cast<PyTupleObject*>(made);
    tuple->ob_hash = -1;
    careful(made);
    if (number_ >= 0) memo_[static_cast<std::size_t>(number_)] = made;
    number_ = -1;
    PyObject** const first = tuple->ob_item;
    tag what{};
    PyObject** const next = take_atoms(first, first + fields, what);
    if (next == first + fields) return true;
    next_--;  // the tag again
    frame& opened = open(sort::list, made, first, static_cast<std::size_t>(fields));
    opened.next = next;
    opened.number = -1;  // (number_ may be that of the next element.)
    return false;
}

PyObject* decoder::open_name_space() {
    auto* type = reinterpret_cast<PyTypeObject*>(classes_->name_space);
    ref made = checked(type->tp_alloc(type, 0));
    careful(made.get());
    open(sort::list, made.get(),
         reinterpret_cast<PyObject**>(reinterpret_cast<char*>(made.get()) + type->tp_dictoffset),
         1);
    return made.release();
}

void decoder::finish_instance(frame& done) {
    const shape& one = shapes_[done.shape];
    PyObject** value = done.first;
    for (const ref& name : one.names)
        checked(PyObject_GenericSetAttr(done.made, name.get(), *value++));
}

}  // namespace allcores::data
