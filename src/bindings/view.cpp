// allcores.view and allcores.move in Python: what they return, and what a memoryview in another
// interpreter is over.
#include <memory>

#include "bindings/module.h"
#include "data/foreign_memory.h"
#include "data/guarded.h"
#include "data/message_move.h"
#include "data/message_types.h"

namespace allcores::bindings {
namespace {

using data::checked;
using data::guarded;
using data::python_error;
using data::ref;
using memory = std::shared_ptr<data::foreign_memory>;

struct view_object {
    PyObject_HEAD memory held;
};

memory& held(PyObject* self) {
    return reinterpret_cast<view_object*>(self)->held;
}

ref make_view(PyTypeObject* type, memory state) {
    ref made = checked(type->tp_alloc(type, 0));
    std::construct_at(&held(made.get()), std::move(state));
    return made;
}

void view_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    std::destroy_at(&held(self));
    type->tp_free(self);
    Py_DECREF(type);
}

int view_get_buffer(PyObject* self, Py_buffer* buffer, int flags) {
    data::foreign_memory& state = *held(self);
    if ((flags & PyBUF_WRITABLE) == PyBUF_WRITABLE && state.readonly) {
        buffer->obj = nullptr;
        PyErr_SetString(PyExc_BufferError, "this view is read-only");
        return -1;
    }
    buffer->obj = Py_NewRef(self);
    buffer->buf = state.data;
    buffer->len = state.bytes;
    buffer->readonly = state.readonly ? 1 : 0;
    buffer->itemsize = state.item_bytes;
    buffer->format = (flags & PyBUF_FORMAT) != 0 ? state.format.data() : nullptr;
    buffer->ndim = static_cast<int>(state.shape.size());
    buffer->shape = (flags & PyBUF_ND) != 0 ? state.shape.data() : nullptr;
    buffer->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? state.strides.data() : nullptr;
    buffer->suboffsets = nullptr;
    buffer->internal = nullptr;
    return 0;
}

PyObject* view_repr(PyObject* self) {
    return PyUnicode_FromFormat("<allcores.view of %zd bytes>", held(self)->bytes);
}

PyType_Slot view_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(view_dealloc)},
    {Py_tp_repr, reinterpret_cast<void*>(view_repr)},
    {Py_bf_getbuffer, reinterpret_cast<void*>(view_get_buffer)},
    {0, nullptr},
};

PyType_Spec view_spec = {
    "allcores._core.View",
    sizeof(view_object),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    view_slots,
};

// (What a memoryview shows of frozen memory crosses like that too.)
memory state_of(PyObject* object) {
    return PyMemoryView_Check(object) ? data::frozen_view_of(object) : held(object);
}

ref memoryview_of(PyTypeObject* type, memory state) {
    ref made = make_view(type, std::move(state));
    return checked(PyMemoryView_FromObject(made.get()));
}

// The memory of a view that came from elsewhere, when a memoryview is over all of it: the owner is
// pinned once then, however often it goes on.
memory whole_memory(PyTypeObject* type, PyObject* object, bool writable) {
    if (!PyMemoryView_Check(object)) return nullptr;
    const Py_buffer* buffer = PyMemoryView_GET_BUFFER(object);
    PyObject* base = PyMemoryView_GET_BASE(object);
    if (base == nullptr || !Py_IS_TYPE(base, type)) return nullptr;
    const memory& state = held(base);
    if (buffer->buf != state->data || buffer->len != state->bytes || writable == state->readonly ||
        buffer->itemsize != state->item_bytes) {
        return nullptr;
    }
    return state;
}

// One positional argument, and a flag by name. Throws python_error.
bool flag_of(const char* name, const char* signature, PyObject* const* arguments, Py_ssize_t count,
             PyObject* names) {
    const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
    const bool is_named =
        named == 1 && PyUnicode_EqualToUTF8(PyTuple_GET_ITEM(names, 0), name) == 1;
    if (count != 1 || (named != 0 && !is_named)) {
        PyErr_SetString(PyExc_TypeError, signature);
        throw python_error();
    }
    return is_named && checked(PyObject_IsTrue(arguments[1])) == 1;
}

PyObject* view(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    return guarded([&]() -> ref {
        const bool writable =
            flag_of("writable", "view(buffer, *, writable=False)", arguments, count, names);
        PyTypeObject* type = data::class_for(&data::viewing);
        if (memory known = whole_memory(type, arguments[0], writable))
            return make_view(type, std::move(known));
        return make_view(type, data::pin_buffer(arguments[0], writable));
    });
}

void move_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(reinterpret_cast<data::move_object*>(self)->held);
    type->tp_free(self);
    Py_DECREF(type);
}

int move_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(reinterpret_cast<data::move_object*>(self)->held);
    return 0;
}

int move_clear(PyObject* self) {
    Py_CLEAR(reinterpret_cast<data::move_object*>(self)->held);
    return 0;
}

PyType_Slot move_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(move_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(move_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(move_clear)},
    {0, nullptr},
};

PyType_Spec move_spec = {
    "allcores._core.Move",
    sizeof(data::move_object),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
        Py_TPFLAGS_IMMUTABLETYPE,
    move_slots,
};

PyObject* move(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    return guarded([&]() -> ref {
        const bool strict =
            flag_of("strict", "move(obj, *, strict=False)", arguments, count, names);
        PyTypeObject* type = data::class_for(&data::moving);
        ref made = checked(type->tp_alloc(type, 0));
        auto* move = reinterpret_cast<data::move_object*>(made.get());
        move->held = Py_NewRef(arguments[0]);
        move->strict = strict;
        return made;
    });
}

// _freeze_buffer(obj, from): a memoryview over a frozen copy
PyObject* freeze_buffer(PyObject*, PyObject* arguments) {
    return guarded([&] {
        PyObject* object;
        int from;
        if (!PyArg_ParseTuple(arguments, "OC", &object, &from)) throw python_error();
        memory made = data::freeze_buffer(object, static_cast<char>(from));
        return memoryview_of(data::class_for(&data::viewing), std::move(made));
    });
}

// Of what is over frozen memory: (what it was frozen from, what has the memory, where it begins in
// it); else None.
PyObject* frozen_parts(PyObject*, PyObject* object) {
    return guarded([&] {
        const memory frozen = data::frozen_memory_of(object);
        if (frozen == nullptr) return ref::borrow(Py_None);
        Py_ssize_t offset = 0;
        if (data::is_numpy_array(object))
            offset = data::numpy_data(object) - static_cast<const char*>(frozen->data);
        ref owner = make_view(data::class_for(&data::viewing), frozen);
        return checked(Py_BuildValue("COn", frozen->frozen_from, owner.get(), offset));
    });
}

PyMethodDef methods[] = {
    {"_freeze_buffer", freeze_buffer, METH_VARARGS, nullptr},
    {"_frozen_parts", frozen_parts, METH_O, nullptr},
    {"move", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(move)),
     METH_FASTCALL | METH_KEYWORDS,
     "move(obj, *, strict=False)\n--\n\n"
     "Around an argument or item that is sent: what it holds is handed over, and it is left "
     "empty.\n\n"
     "bytearray, array.array and NumPy arrays that own their memory give it up (of 64 KiB and "
     "more; "
     "less is copied).\n"
     "A list or dict gives up what is in it: large buffers that nothing else refers to change "
     "hands, "
     "the rest is copied.\n"
     "What can't be handed over, since somebody has a view of it or else refers to it, is copied "
     "and "
     "stays as it is;\n"
     "with strict=True sending it raises ValueError. An array of NumPy's counts as viewed if "
     "anything but variables of\n"
     "running functions and their modules refers to it. If the sending fails, all stays as it "
     "was."},
    {"view", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(view)),
     METH_FASTCALL | METH_KEYWORDS,
     "view(buffer, *, writable=False)\n--\n\n"
     "The memory of a buffer, to be sent without a copy: the receiver gets a memoryview over "
     "it.\n\n"
     "For bytes, bytearray, array.array, mmap, NumPy arrays and whatever else has a buffer in one "
     "piece, at any size.\n"
     "The object is kept, and can't be resized, until the last memoryview is gone in whichever "
     "interpreter. With\n"
     "writable=True others may write to it while its owner reads: they have to agree on who does "
     "what.\n\n"
     "Raises TypeError for what has no buffer, BufferError for one that is not in one piece or not "
     "writable."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int add_view(PyObject* module) {
    return guarded([&] {
        ref type = checked(PyType_FromModuleAndSpec(module, &view_spec, nullptr));
        checked(PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())));
        data::cross_by_pointer(reinterpret_cast<PyTypeObject*>(type.get()), &data::viewing);
        type = checked(PyType_FromModuleAndSpec(module, &move_spec, nullptr));
        checked(PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())));
        data::cross_by_pointer(reinterpret_cast<PyTypeObject*>(type.get()), &data::moving);
        checked(PyModule_AddFunctions(module, methods));
    });
}

}  // namespace allcores::bindings

namespace allcores::data {

constexpr pointer_type viewing = {
    [](PyObject* object) -> std::shared_ptr<void> { return bindings::state_of(object); },
    [](PyTypeObject* type, std::shared_ptr<void> state) -> PyObject* {
        auto memory = std::static_pointer_cast<foreign_memory>(std::move(state));
        return bindings::memoryview_of(type, std::move(memory)).release();
    },
};

PyObject* make_view(std::shared_ptr<foreign_memory> state) {
    return bindings::make_view(class_for(&viewing), std::move(state)).release();
}

std::shared_ptr<foreign_memory> frozen_memory_of(PyObject* object) {
    PyObject* owner = is_numpy_array(object) ? numpy_owner(object) : object;
    if (owner != nullptr && PyMemoryView_Check(owner)) owner = PyMemoryView_GET_BASE(owner);
    if (owner == nullptr || pointer_type_of(Py_TYPE(owner)) != &viewing) return nullptr;
    const std::shared_ptr<foreign_memory>& state = bindings::held(owner);
    return state->frozen_from != 0 ? state : nullptr;
}

}  // namespace allcores::data
