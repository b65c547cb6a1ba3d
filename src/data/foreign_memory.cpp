#include "data/foreign_memory.h"

#include <atomic>
#include <mutex>

#include "data/guarded.h"
#include "interpreter/interpreter_heap.h"
#include "interpreter/process.h"

namespace allcores::data {
namespace {

using worker = interpreter::interpreter;

// (A Py_buffer may have pointers into itself: it is not moved.)
struct held_buffer {
    Py_buffer buffer = {};
    std::int64_t owner = 0;  // an interpreter's id
    held_buffer* next = nullptr;
};

// With the owner's GIL.
void give_back(held_buffer* held) {
    PyBuffer_Release(&held->buffer);
    interpreter::unpin_heap(held->owner);
    delete held;
}

// What goes back to the main interpreter. Pushed by any thread; taken, all at once, by its pending
// call, which synchronizes with the pushes.
std::atomic<held_buffer*> for_main = nullptr;

int give_back_to_main(void*) {
    held_buffer* each = for_main.exchange(nullptr, std::memory_order_acquire);
    while (each != nullptr) {
        held_buffer* next = each->next;
        give_back(each);
        each = next;
    }
    return 0;
}

std::int64_t current_interpreter() {
    PyThreadState* state = PyThreadState_GetUnchecked();
    return state == nullptr ? -1 : PyInterpreterState_GetID(state->interp);
}

std::weak_ptr<worker> worker_with(std::int64_t id) {
    interpreter::process& all = interpreter::process::get();
    const std::lock_guard lock(all.mutex);
    for (const auto& each : all.interpreters) {
        if (each->id() == id) return each;
    }
    return {};
}

class pin final : public memory_source {
 public:
    explicit pin(held_buffer* held) : held_(held) {
        if (held->owner != 0) owner_ = worker_with(held->owner);
    }
    pin(const pin&) = delete;
    pin& operator=(const pin&) = delete;

    ~pin() override {
        if (current_interpreter() == held_->owner) {
            // A destructor may run while an exception is on its way.
            PyObject* raised = PyErr_GetRaisedException();
            give_back(held_);
            PyErr_SetRaisedException(raised);
            return;
        }
        if (held_->owner == 0) {
            held_->next = for_main.load(std::memory_order_relaxed);
            while (!for_main.compare_exchange_weak(held_->next, held_, std::memory_order_release,
                                                   std::memory_order_relaxed)) {
            }
            // When its queue is full, the next one that is dropped takes this one along.
            Py_AddPendingCall(give_back_to_main, nullptr);
            return;
        }
        try {
            const auto owner = owner_.lock();
            const bool posted =
                owner != nullptr && owner->post([held = held_] { give_back(held); });
            static_cast<void>(posted);  // false: it has ended
        } catch (const std::bad_alloc&) {
        }
    }

 private:
    held_buffer* held_;
    std::weak_ptr<worker> owner_;
};

}  // namespace

std::shared_ptr<foreign_memory> pin_buffer(PyObject* object, bool writable) {
    auto held = std::make_unique<held_buffer>();
    checked(PyObject_GetBuffer(object, &held->buffer, writable ? PyBUF_FULL : PyBUF_FULL_RO));
    const Py_buffer& buffer = held->buffer;
    if (PyBuffer_IsContiguous(&buffer, 'C') == 0) {
        PyBuffer_Release(&held->buffer);
        PyErr_SetString(PyExc_BufferError,
                        "view() takes memory in one piece (C-contiguous); copy it first");
        throw python_error();
    }
    held->owner = current_interpreter();
    interpreter::pin_heap(held->owner);
    auto made = std::make_shared<foreign_memory>();
    made->data = buffer.buf;
    made->bytes = buffer.len;
    made->item_bytes = buffer.itemsize;
    made->readonly = !writable;
    if (buffer.format != nullptr) made->format = buffer.format;
    if (buffer.ndim == 1) {
        made->shape = {buffer.itemsize == 0 ? 0 : buffer.len / buffer.itemsize};
    } else if (buffer.ndim > 1) {
        made->shape.assign(buffer.shape, buffer.shape + buffer.ndim);
    }
    set_c_strides(*made);
    made->source = std::make_shared<pin>(held.release());
    return made;
}

}  // namespace allcores::data
