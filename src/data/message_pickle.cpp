// What the codec does not write itself goes as one pickle in the message, with the work in Python
// (python/allcores/_sending.py). What a pickled object refers to that crosses in another way
// (frozen data, what goes by pointer, large buffers) is left out of the pickle by a persistent id,
// the index in a list, which is a message of its own inside this one, together with the pickle and
// its buffers.
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

// The pickler's persistent_id, bound to the list.
PyObject* persistent_id(PyObject* list, PyObject* object) {
    return guarded([&]() -> PyObject* {
        if (!has_other_way(object) && !is_large(object)) Py_RETURN_NONE;
        checked(PyList_Append(list, object));
        return PyLong_FromSsize_t(PyList_GET_SIZE(list) - 1);
    });
}

// (CPython keeps the address; nothing in it changes.)
PyMethodDef persistent_id_definition = {"persistent_id", persistent_id, METH_O, nullptr};

}  // namespace

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
        ref view = ref::steal(make_view(std::move(memory)));
        ref instead = checked(PyObject_CallMethod(module, "TakenArray", "OOOO", view.get(),
                                                  dtype.get(), shape.get(), by_rows.get()));
        checked(PyList_SetItem(put_aside_.get(), index, instead.release()));
    }
}

void encoder::pickle(PyObject* root, const char* place) {
    ref module = checked(PyImport_ImportModule("allcores._sending"));
    take_arrays(module.get());
    ref crossing = checked(PyList_New(0));
    ref leave_out = checked(PyCFunction_New(&persistent_id_definition, crossing.get()));
    // A list: the pickle, its buffers.
    ref parts = ref::steal(
        PyObject_CallMethod(module.get(), "pack", "OO", put_aside_.get(), leave_out.get()));
    if (!parts) {
        // It says where in the root the one that failed is.
        ref raised = ref::steal(PyErr_GetRaisedException());
        ref refusal = checked(PyObject_CallMethod(module.get(), "refusal", "OOOs", raised.get(),
                                                  root, put_aside_.get(), place));
        PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(refusal.get())), refusal.get());
        throw python_error();
    }
    checked(PyList_Append(parts.get(), crossing.get()));
    leave_out = ref();
    crossing = ref();
    pickled_ = message::encode_last(std::move(parts), place);
}

ref decoder::unpickle(message pickled) {
    ref parts = ref::steal(pickled.decode());
    ref module = checked(PyImport_ImportModule("allcores._sending"));
    ref objects = checked(PyObject_CallMethod(module.get(), "unpack", "O", parts.get()));
    if (!PyList_CheckExact(objects.get())) {
        PyErr_SetString(PyExc_SystemError, "allcores: a pickle of something else");
        throw python_error();
    }
    return objects;
}

}  // namespace allcores::data
