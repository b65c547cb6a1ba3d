// Frozen buffers: the content of a memoryview, array or NumPy array, copied into read-only pages of
// the frozen space. Unlike other frozen data they are given back: whoever has a view of the memory
// holds it by a pointer, in whichever interpreter.
#include "data/foreign_memory.h"
#include "data/guarded.h"
#include "memory/frozen_space.h"

namespace allcores::data {
namespace {

class frozen_pages final : public memory_source {
 public:
    explicit frozen_pages(std::size_t bytes)
        : pages_(memory::frozen_space::process().take(bytes)) {}
    frozen_pages(const frozen_pages&) = delete;
    frozen_pages& operator=(const frozen_pages&) = delete;
    ~frozen_pages() override { memory::frozen_space::process().give_back(pages_); }

    void* begin() const { return pages_.begin; }
    void close() { memory::frozen_space::process().close(pages_); }

 private:
    memory::extent pages_;
};

}  // namespace

std::shared_ptr<foreign_memory> freeze_buffer(PyObject* object, char from) {
    Py_buffer buffer;
    checked(PyObject_GetBuffer(object, &buffer, PyBUF_FULL_RO));
    struct at_end {
        Py_buffer& held;
        ~at_end() { PyBuffer_Release(&held); }
    } released{buffer};
    const std::string format = buffer.format == nullptr ? "B" : buffer.format;
    if (format.find('O') != std::string::npos || format.find('&') != std::string::npos) {
        PyErr_SetString(PyExc_TypeError, "a buffer that holds Python objects cannot be frozen");
        throw python_error();
    }
    auto pages = std::make_shared<frozen_pages>(
        std::max<std::size_t>(static_cast<std::size_t>(buffer.len), 1));
    checked(PyBuffer_ToContiguous(pages->begin(), &buffer, buffer.len, 'C'));
    pages->close();
    auto made = std::make_shared<foreign_memory>();
    made->data = pages->begin();
    made->source = std::move(pages);
    made->bytes = buffer.len;
    made->item_bytes = buffer.itemsize;
    made->frozen_from = from;
    made->format = format;
    made->shape.assign(buffer.shape, buffer.shape + buffer.ndim);
    set_c_strides(*made);
    return made;
}

std::shared_ptr<foreign_memory> frozen_view_of(PyObject* view) {
    if (!PyMemoryView_Check(view)) return nullptr;
    std::shared_ptr<foreign_memory> whole = frozen_memory_of(view);
    if (whole == nullptr) return nullptr;
    const Py_buffer& buffer = *PyMemoryView_GET_BUFFER(view);
    const std::string format = buffer.format == nullptr ? "B" : buffer.format;
    const std::vector<Py_ssize_t> shape(buffer.shape, buffer.shape + buffer.ndim);
    if (PyBuffer_IsContiguous(&buffer, 'C') == 0) return nullptr;
    if (buffer.buf == whole->data && buffer.len == whole->bytes && format == whole->format &&
        shape == whole->shape) {
        return whole;
    }
    auto part = std::make_shared<foreign_memory>();
    part->source = whole->source;
    part->data = buffer.buf;
    part->bytes = buffer.len;
    part->item_bytes = buffer.itemsize;
    part->frozen_from = 'm';
    part->format = format;
    part->shape = shape;
    set_c_strides(*part);
    return part;
}

void set_c_strides(foreign_memory& memory) {
    memory.strides.resize(memory.shape.size());
    Py_ssize_t stride = memory.item_bytes;
    for (std::size_t i = memory.shape.size(); i-- > 0;) {
        memory.strides[i] = stride;
        stride *= memory.shape[i];
    }
}

}  // namespace allcores::data
