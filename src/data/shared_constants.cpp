#include "data/shared_constants.h"
// After CPython's internal headers:
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>

#include "concurrency/over_fork.h"

namespace allcores::data {
namespace {

constexpr std::size_t enough_for_an_arena = 256 << 10;

PyObject* write_tuple(std::byte* at, std::span<PyObject* const> items) {
    auto* tuple = reinterpret_cast<PyTupleObject*>(at + sizeof(gc_head));
    auto* object = reinterpret_cast<PyObject*>(tuple);
    object->ob_refcnt_full = _Py_STATIC_IMMORTAL_INITIAL_REFCNT;
    object->ob_type = &PyTuple_Type;
    Py_SET_SIZE(tuple, static_cast<Py_ssize_t>(items.size()));
    std::ranges::copy(items, tuple->ob_item);
    fill_tuple_hash(tuple);
    return object;
}

}  // namespace

shared_constants& shared_constants::of_process() {
    static auto* all = [] {
        auto* made = new shared_constants;
        // (The frozen space's, which is taken with this one held, is from before.)
        concurrency::keep_over_fork<[]() -> std::mutex& { return of_process().mutex; }>();
        return made;
    }();
    return *all;
}

memory::arena& constants_to_add::arena() {
    if (all_.arena == nullptr) all_.arena = std::make_unique<memory::arena>();
    return *all_.arena;
}

PyObject* constants_to_add::add(PyObject* made) {
    all_.known.insert(made);
    return made;
}

PyObject* constants_to_add::atom(PyObject* object) {
    if (PyObject* there = all_.known.find(object, Py_TYPE(object)->tp_hash(object))) return there;
    if (PyBytes_CheckExact(object)) {
        const auto size = static_cast<std::size_t>(Py_SIZE(object));
        std::byte* at = arena().allocate(bytes_bytes(size));
        return add(write_bytes(at, PyBytes_AS_STRING(object), size, 0));
    }
    return add(write_str(arena(), arena().allocate(str_bytes(object)), object, 0));
}

PyObject* constants_to_add::name(std::string_view text) {
    const Py_hash_t hash = Py_HashBuffer(text.data(), static_cast<Py_ssize_t>(text.size()));
    if (PyObject* there = all_.known.find(text, hash)) return there;
    const std::size_t size = sizeof(PyASCIIObject) + text.size() + 1;
    // Written first as an ordinary one would be.
    scratch_.assign((size + 7) / 8, 0);
    auto* like = reinterpret_cast<PyASCIIObject*>(scratch_.data());
    auto* object = reinterpret_cast<PyObject*>(like);
    object->ob_type = &PyUnicode_Type;
    like->length = static_cast<Py_ssize_t>(text.size());
    like->hash = hash;
    like->state.kind = PyUnicode_1BYTE_KIND;
    like->state.compact = like->state.ascii = 1;
    std::memcpy(like + 1, text.data(), text.size());
    return add(write_str(arena(), arena().allocate(size), object, 0));
}

PyObject* constants_to_add::number(PyObject* object) {
    return write_number(arena(), object);
}

PyObject* constants_to_add::tuple(std::span<PyObject* const> items) {
    const std::size_t size = offsetof(PyTupleObject, ob_item) + items.size_bytes();
    // It is looked for as it would be made.
    scratch_.assign((sizeof(gc_head) + size + 7) / 8, 0);
    PyObject* wanted = write_tuple(reinterpret_cast<std::byte*>(scratch_.data()), items);
    if (PyObject* there = all_.known.find(wanted, hash_of_frozen(wanted))) return there;
    return add(write_tuple(arena().allocate(sizeof(gc_head) + size), items));
}

constants_to_add::~constants_to_add() {
    if (all_.arena == nullptr || all_.arena->held_bytes() < enough_for_an_arena) return;
    try {
        all_.arena->close();
        all_.arena.reset();
    } catch (const std::bad_alloc&) {
        // It stays open, and goes on to be used.
    }
}

}  // namespace allcores::data
