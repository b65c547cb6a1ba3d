// Keys of a Dict: int, str, bytes and tuples of these, of exactly these types, as bytes. Equal keys
// have equal bytes, others never have, so keys are compared without any interpreter.
//
// Each value is a letter for what it is and then, with numbers as the machine has them:
//     i  the number (8)                 I  size (4), the number's shortest two's complement
//     b  size (4), content              t  count (4), the elements
//     1, 2, 4  length (4), the characters as CPython has them: so many bytes each, and as few as do
//
// With the GIL of the current interpreter.
#pragma once
#include <Python.h>

#include <string_view>
#include <vector>

namespace allcores::data {

class dict_key {
 public:
    // Throws python_error: TypeError for what can't be a key, ValueError for one of 4 GiB.
    explicit dict_key(PyObject* key) { add(key, 0); }
    dict_key(const dict_key&) = delete;
    dict_key& operator=(const dict_key&) = delete;

    std::string_view bytes() const { return {many_.empty() ? few_ : many_.data(), size_}; }

 private:
    void add(PyObject* key, int depth);
    void add_int(PyObject* key);
    void add_sized(char letter, std::size_t count, const void* data, std::size_t bytes);
    char* room(std::size_t bytes);

    std::size_t size_ = 0;
    char few_[120];
    std::vector<char> many_;  // instead, if not empty
};

// The key again: a new reference. Throws python_error.
PyObject* key_of_bytes(std::string_view bytes);

}  // namespace allcores::data
