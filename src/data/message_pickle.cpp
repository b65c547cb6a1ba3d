// What the codec does not write itself goes as one pickle in the message, with the work in Python
// (python/allcores/_sending.py). What a pickled object refers to that crosses in another way
// (frozen data, what goes by pointer, large buffers) is left out of the pickle by a persistent id,
// the index in a list, which is a message of its own inside this one, together with the pickle and
// its buffers. If it refers to what the codec has written, too, all of the message is pickled.
#include "data/message_decoder.h"
#include "data/message_encoder.h"
// After CPython's internal headers:
#include "data/foreign_memory.h"

namespace allcores::data {
namespace {

bool is_large(PyObject* object) {
    PyTypeObject* type = Py_TYPE(object);
    if (type == &PyBytes_Type) return PyBytes_GET_SIZE(object) >= least_handed_over;
    if (type == &PyByteArray_Type) return PyByteArray_GET_SIZE(object) >= least_handed_over;
    if (type == &PyUnicode_Type) return PyUnicode_GET_LENGTH(object) >= least_handed_over;
    return false;
}

// What a pickler's persistent_id is bound to. A traceback may keep it for longer than the pickling.
struct pickling {
    ref left_out;                      // a list
    const encoder* written = nullptr;  // null: what the codec has written does not matter
    bool is_mixed = false;
};

constexpr const char* capsule_name = "allcores.pickling";

void drop_pickling(PyObject* capsule) {
    delete static_cast<pickling*>(PyCapsule_GetPointer(capsule, capsule_name));
}

// The commonest of what is neither left out nor written twice, at once: this is called for all.
bool is_plain_atom(PyObject* object) {
    PyTypeObject* type = Py_TYPE(object);
    return object == Py_None || type == &PyLong_Type || type == &PyFloat_Type ||
           type == &PyBool_Type;
}

}  // namespace

PyObject* encoder::persistent_id(PyObject* state, PyObject* object) {
    return guarded([&]() -> PyObject* {
        if (is_plain_atom(object)) Py_RETURN_NONE;
        auto& now = *static_cast<pickling*>(PyCapsule_GetPointer(state, capsule_name));
        if (has_other_way(object) || is_large(object)) {
            checked(PyList_Append(now.left_out.get(), object));
            return PyLong_FromSsize_t(PyList_GET_SIZE(now.left_out.get()) - 1);
        }
        if (now.written != nullptr && now.written->has_written(object)) {
            now.is_mixed = true;
            PyErr_SetString(PyExc_RuntimeError, "allcores: it has been written already");
            return nullptr;
        }
        Py_RETURN_NONE;
    });
}

// NumPy arrays that nobody but the message has: their memory goes, and something that becomes an
// array over that memory in the receiver is pickled instead.
void encoder::take_arrays(PyObject* module) {
    for (const auto& [index, moved, strict] : arrays_) {
        PyObject* array = PyList_GET_ITEM(put_aside_.get(), index);
        ref dtype = checked(PyObject_GetAttrString(array, "dtype"));
        ref shape = checked(PyObject_GetAttrString(array, "shape"));
        ref flags = checked(PyObject_GetAttrString(array, "flags"));
        ref by_rows = checked(PyObject_GetAttrString(flags.get(), "c_contiguous"));
        flags = ref();
        // Its place in the graph (or in move's object), and in the list; a view would be one more.
        Py_ssize_t references = 2;
        if (moved) {
            ref names = checked(PyObject_CallMethod(module, "names_of", "O", array));
            references += checked(static_cast<int>(PyLong_AsLong(names.get())));
        }
        taken_.push_back(take_numpy_memory(array, references));
        std::shared_ptr<foreign_memory> memory = taken_.back().memory;
        if (memory == nullptr) {
            taken_.pop_back();
            if (!strict) continue;
            PyErr_SetString(PyExc_ValueError,
                            "move(strict=True): a numpy.ndarray can't be handed over: it does not "
                            "own its memory, is small, or there may be views of it");
            throw python_error();
        }
        if (for_many_) memory->readonly = true;
        ref view = ref::steal(make_view(std::move(memory)));
        ref instead = checked(PyObject_CallMethod(module, "TakenArray", "OOOO", view.get(),
                                                  dtype.get(), shape.get(), by_rows.get()));
        checked(PyList_SetItem(put_aside_.get(), index, instead.release()));
    }
}

void encoder::pickle(PyObject* root, const char* place) {
    // (CPython keeps the address; nothing in it changes.)
    static PyMethodDef definition = {"persistent_id", persistent_id, METH_O, nullptr};
    ran_python_ = true;
    ref module = checked(PyImport_ImportModule("allcores._sending"));
    take_arrays(module.get());
    ref crossing = checked(PyList_New(0));
    auto made = std::make_unique<pickling>();
    made->left_out = ref::borrow(crossing.get());
    if (way_ == way::written) made->written = this;
    ref capsule = checked(PyCapsule_New(made.get(), capsule_name, drop_pickling));
    pickling& state = *made.release();
    ref leave_out = checked(PyCFunction_New(&definition, capsule.get()));
    // A list: the pickle, its buffers.
    ref parts = ref::steal(
        PyObject_CallMethod(module.get(), "pack", "OO", put_aside_.get(), leave_out.get()));
    state.written = nullptr;
    if (state.is_mixed) {
        PyErr_Clear();
        throw mixed_graph{!moves_.empty()};
    }
    if (!parts) {
        // It says where in the root the one that failed is.
        ref raised = ref::steal(PyErr_GetRaisedException());
        ref refusal = checked(PyObject_CallMethod(module.get(), "refusal", "OOOs", raised.get(),
                                                  root, put_aside_.get(), place));
        PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(refusal.get())), refusal.get());
        throw python_error();
    }
    settle_moved_twice(crossing.get());
    checked(PyList_Append(parts.get(), crossing.get()));
    leave_out = ref();
    state.left_out = ref();
    crossing = ref();
    pickled_ = message::encode_last(std::move(parts), place);
}

ref decoder::unpickle() {
    message& pickled = body_->more->pickled;
    ref parts = ref::steal(keeps_ ? pickled.decode_copy() : pickled.decode());
    ref module = checked(PyImport_ImportModule("allcores._sending"));
    ref objects = checked(PyObject_CallMethod(module.get(), "unpack", "O", parts.get()));
    if (!PyList_CheckExact(objects.get())) {
        PyErr_SetString(PyExc_SystemError, "allcores: a pickle of something else");
        throw python_error();
    }
    return objects;
}

}  // namespace allcores::data
