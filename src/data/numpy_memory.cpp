// The memory of a NumPy array that is handed over. NumPy allocates it with malloc and frees it with
// free (unless it was given another allocator, NEP 49), and both are the process's, in images of it
// too. Known are the fields of its array objects, which are part of its ABI since 1.22; what is in
// them has to agree with what the array says of itself by the buffer protocol.
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "data/foreign_memory.h"
#include "data/handed_memory.h"

namespace allcores::data {
namespace {

// numpy/ndarraytypes.h, PyArrayObject_fields.
struct numpy_array {
    PyObject_HEAD char* data;
    int dimensions_count;
    Py_ssize_t* dimensions;
    Py_ssize_t* strides;
    PyObject* base;
    PyObject* description;
    int flags;
    PyObject* weak_references;
    void* buffer_info;
    PyObject* memory_handler;  // a capsule
};
constexpr int owns_its_data = 0x4, writable = 0x400;

// What an array has that has nothing.
alignas(64) char nothing[64];

class taken_memory final : public memory_source {
 public:
    explicit taken_memory(void* block) : block_(block) {}
    taken_memory(const taken_memory&) = delete;
    taken_memory& operator=(const taken_memory&) = delete;
    ~taken_memory() override { std::free(block_); }
    void release() { block_ = nullptr; }

 private:
    void* block_;
};

// Whether it is NumPy's own allocator; its name is the first that is in a handler.
bool is_from_malloc(PyObject* handler) {
    if (handler == nullptr || !PyCapsule_IsValid(handler, "mem_handler")) return false;
    const auto* name = static_cast<const char*>(PyCapsule_GetPointer(handler, "mem_handler"));
    return std::string_view(name) == "default_allocator";
}

}  // namespace

bool is_numpy_array(PyObject* object) {
    PyTypeObject* type = Py_TYPE(object);
    return std::strcmp(type->tp_name, "numpy.ndarray") == 0 &&
           type->tp_basicsize >= static_cast<Py_ssize_t>(sizeof(numpy_array));
}

const char* numpy_data(PyObject* array) {
    return reinterpret_cast<numpy_array*>(array)->data;
}

PyObject* numpy_owner(PyObject* array) {
    PyObject* base = reinterpret_cast<numpy_array*>(array)->base;
    while (base != nullptr && is_numpy_array(base))
        base = reinterpret_cast<numpy_array*>(base)->base;
    return base;
}

taken_array take_numpy_memory(PyObject* object, Py_ssize_t references) {
    if (!is_numpy_array(object) || Py_REFCNT(object) > references || !can_hand_over()) return {};
    auto* array = reinterpret_cast<numpy_array*>(object);
    Py_buffer buffer;
    if (PyObject_GetBuffer(object, &buffer, PyBUF_ANY_CONTIGUOUS | PyBUF_FORMAT) < 0) {
        PyErr_Clear();
        return {};
    }
    const Py_ssize_t bytes = buffer.len;
    const bool as_known = buffer.buf == array->data && buffer.ndim == array->dimensions_count &&
                          buffer.ndim > 0 && buffer.shape[0] == array->dimensions[0] &&
                          std::strchr(buffer.format, 'O') == nullptr;
    PyBuffer_Release(&buffer);
    if (!as_known || bytes < least_handed_over || (array->flags & owns_its_data) == 0 ||
        array->base != nullptr || !is_from_malloc(array->memory_handler)) {
        return {};
    }
    taken_array taken;
    taken.array = ref::borrow(object);
    taken.shape.assign(array->dimensions, array->dimensions + array->dimensions_count);
    taken.memory = std::make_shared<foreign_memory>();
    foreign_memory& made = *taken.memory;
    made.shape = {bytes};
    made.strides = {1};
    made.source = std::make_shared<taken_memory>(array->data);
    made.data = array->data;
    made.bytes = bytes;
    made.readonly = (array->flags & writable) == 0;
    array->data = nothing;
    array->flags &= ~owns_its_data;
    for (int i = 0; i < array->dimensions_count; i++) array->dimensions[i] = 0;
    return taken;
}

void return_numpy_memory(taken_array& taken) noexcept {
    auto* array = reinterpret_cast<numpy_array*>(taken.array.get());
    array->data = static_cast<char*>(taken.memory->data);
    array->flags |= owns_its_data;
    for (int i = 0; i < array->dimensions_count; i++)
        array->dimensions[i] = taken.shape[static_cast<std::size_t>(i)];
    static_cast<taken_memory&>(*taken.memory->source).release();
    taken.memory->data = nothing;
    taken.memory->bytes = taken.memory->shape[0] = 0;
}

}  // namespace allcores::data
