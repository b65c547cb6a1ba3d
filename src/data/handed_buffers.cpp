#include "data/handed_buffers.h"

#include <cstring>
#include <utility>

#include "data/guarded.h"
#include "memory/large_copy.h"

namespace allcores::data {
namespace {

// Modules/arraymodule.c, 3.14 and 3.15.
struct array_object {
    PyObject_VAR_HEAD char* items;
    Py_ssize_t allocated;  // items
    const void* description;
    PyObject* weak_references;
    Py_ssize_t exports;
};

array_object* as_array(PyObject* object) {
    return reinterpret_cast<array_object*>(object);
}
PyByteArrayObject* as_bytearray(PyObject* object) {
    return reinterpret_cast<PyByteArrayObject*>(object);
}

#if PY_VERSION_HEX >= 0x030F0000
// From 3.15 on a bytearray keeps a bytes object, which nobody else has.
constexpr std::size_t bytes_head = offsetof(PyBytesObject, ob_sval);

PyBytesObject* buffer_of(PyByteArrayObject* array) {
    return reinterpret_cast<PyBytesObject*>(array->ob_bytes_object);
}
#endif

}  // namespace

bool can_take_bytearray(PyObject* object) {
    PyByteArrayObject* array = as_bytearray(object);
    if (array->ob_exports != 0 || array->ob_alloc < least_handed_over) return false;
#if PY_VERSION_HEX >= 0x030F0000
    PyBytesObject* buffer = buffer_of(array);
    return PyBytes_CheckExact(buffer) && Py_REFCNT(buffer) == 1 &&
           array->ob_bytes == buffer->ob_sval && Py_SIZE(buffer) >= least_handed_over;
#else
    return true;
#endif
}

void take_bytearray(PyObject* object, handed_block& block) {
    PyByteArrayObject* array = as_bytearray(object);
#if PY_VERSION_HEX >= 0x030F0000
    block.memory = buffer_of(array);
    PyObject* empty = Py_GetConstant(Py_CONSTANT_EMPTY_BYTES);
    array->ob_bytes_object = empty;
    char* nothing = PyBytes_AS_STRING(empty);
#else
    block.memory = array->ob_bytes;
    char* nothing = nullptr;
#endif
    block.kind = handed_block::sort::bytearray;
    block.start = array->ob_start - array->ob_bytes;
    block.size = Py_SIZE(array);
    block.bytes = block.allocated = array->ob_alloc;
    array->ob_bytes = array->ob_start = nothing;
    array->ob_alloc = 0;
    Py_SET_SIZE(array, 0);
    disown(block.memory);
}

void copy_bytearray(PyObject* object, handed_block& block) {
    const Py_ssize_t size = PyByteArray_GET_SIZE(object);
    const char* content = PyByteArray_AS_STRING(object);
#if PY_VERSION_HEX >= 0x030F0000
    block.memory = make_disowned(bytes_head + static_cast<std::size_t>(size) + 1);
    auto* buffer = static_cast<PyBytesObject*>(block.memory);
    std::memset(block.memory, 0, bytes_head);
    reinterpret_cast<PyObject*>(buffer)->ob_refcnt_full = 1;
    reinterpret_cast<PyObject*>(buffer)->ob_type = &PyBytes_Type;
    Py_SET_SIZE(buffer, size);
    _Py_COMP_DIAG_PUSH _Py_COMP_DIAG_IGNORE_DEPR_DECLS buffer->ob_shash = -1;
    _Py_COMP_DIAG_POP char* to = buffer->ob_sval;
    block.allocated = size;
#else
    block.memory = make_disowned(static_cast<std::size_t>(size) + 1);
    char* to = static_cast<char*>(block.memory);
    block.allocated = size + 1;
#endif
    memory::copy_large(to, content, static_cast<std::size_t>(size));
    to[size] = '\0';
    block.kind = handed_block::sort::bytearray;
    block.start = 0;
    block.size = size;
    block.bytes = block.allocated;
}

PyObject* make_bytearray(handed_block& block, bool copies) {
#if PY_VERSION_HEX >= 0x030F0000
    char* bytes = static_cast<PyBytesObject*>(block.memory)->ob_sval;
#else
    char* bytes = static_cast<char*>(block.memory);
#endif
    if (copies || !can_hand_over())
        return PyByteArray_FromStringAndSize(bytes + block.start, block.size);
    ref made = checked(PyByteArray_FromStringAndSize(nullptr, 0));
    PyByteArrayObject* array = as_bytearray(made.get());
#if PY_VERSION_HEX >= 0x030F0000
    Py_XDECREF(array->ob_bytes_object);
    array->ob_bytes_object = static_cast<PyObject*>(block.memory);
#else
    PyMem_Free(array->ob_bytes);
#endif
    adopt(block.memory);
    array->ob_bytes = bytes;
    array->ob_start = bytes + block.start;
    array->ob_alloc = block.allocated;
    Py_SET_SIZE(array, block.size);
    block.memory = nullptr;
    return made.release();
}

bool knows_arrays(PyTypeObject* array_type) {
    // The size alone tells a changed layout from this one, as a rule; what is in the object has to
    // agree too.
    return array_type->tp_basicsize == sizeof(array_object) && array_type->tp_itemsize == 0;
}

bool can_take_array(PyObject* object) {
    const array_object* array = as_array(object);
    return array->exports == 0 && array->allocated >= Py_SIZE(array);
}

void take_array(PyObject* object, handed_block& block) {
    array_object* array = as_array(object);
    block.memory = array->items;
    block.size = Py_SIZE(array);
    block.allocated = array->allocated;
    array->items = nullptr;
    array->allocated = 0;
    Py_SET_SIZE(array, 0);
    disown(block.memory);
}

void copy_array(PyObject* object, handed_block& block) {
    array_object* array = as_array(object);
    block.memory = make_disowned(static_cast<std::size_t>(block.bytes));
    memory::copy_large(block.memory, array->items, static_cast<std::size_t>(block.bytes));
    block.kind = handed_block::sort::array;
    block.size = block.allocated = Py_SIZE(array);
}

ref make_empty_array(PyObject* array_type, char typecode) {
    if (typecode != 'u')
        return checked(PyObject_CallFunction(array_type, "C", static_cast<int>(typecode)));
    // Who made the sender's has been told that "u" is deprecated; no caller of the receiver's could
    // do anything about it. Nothing else runs in this interpreter while that filter is there.
    ref warnings = ref::steal(PyImport_GetModule(checked(PyUnicode_FromString("warnings")).get()));
    if (!warnings) warnings = checked(PyImport_ImportModule("_warnings"));
    ref filters = checked(PyObject_GetAttrString(warnings.get(), "filters"));
    ref silent =
        checked(Py_BuildValue("(sOOOi)", "ignore", Py_None, PyExc_DeprecationWarning, Py_None, 0));
    if (PyList_Check(filters.get())) checked(PyList_Insert(filters.get(), 0, silent.get()));
    ref made = ref::steal(PyObject_CallFunction(array_type, "C", static_cast<int>(typecode)));
    ref error = ref::steal(PyErr_GetRaisedException());
    if (PyList_Check(filters.get()) && PyList_GET_SIZE(filters.get()) > 0 &&
        PyList_GET_ITEM(filters.get(), 0) == silent.get()) {
        checked(PyList_SetSlice(filters.get(), 0, 1, nullptr));
    }
    if (error) PyErr_SetRaisedException(error.release());
    return checked(made.release());
}

PyObject* make_array(PyTypeObject* array_type, handed_block& block, bool copies) {
    ref made = make_empty_array(reinterpret_cast<PyObject*>(array_type), block.typecode);
    if (copies || !can_hand_over() || !knows_arrays(array_type)) {
        ref content = checked(
            PyMemoryView_FromMemory(static_cast<char*>(block.memory), block.bytes, PyBUF_READ));
        ref none =
            checked(PyObject_CallMethodOneArg(made.get(), name_of(name::frombytes), content.get()));
        return made.release();
    }
    array_object* array = as_array(made.get());
    adopt(block.memory);
    array->items = static_cast<char*>(block.memory);
    array->allocated = block.allocated;
    Py_SET_SIZE(array, block.size);
    block.memory = nullptr;
    return made.release();
}

}  // namespace allcores::data
