// Where the dynamic linker would look for what a shared object needs, and whose it is: images are
// copies elsewhere, so what they need is looked for here, and loaded before them.
//
// Callable from any thread.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "interpreter/elf_file.h"

namespace allcores::interpreter {

// Of BLAS, OpenMP, the C library and others that all interpreters share, by the name of its file.
bool is_shared_library(std::string_view file_name);

// Not the system's: it is in a package's folder, or where packages are.
bool comes_with_a_package(const std::string& path);

std::string file_name_of(const std::string& path);

// The folders of its own search path, with $ORIGIN filled in.
std::vector<std::string> folders_of(const elf_file& parts, const std::string& path);

// The first readable file of that name in the folders; empty when there is none.
std::string find_file(std::span<const std::string> folders, std::string_view name);

// Loads what a library that all interpreters share needs and only finds in `inherited`, the RPATH
// of those who need it. (auditwheel's older wheels have OpenBLAS's Fortran there.) It is shared
// too. Throws image_error, std::system_error, elf_error.
void load_needed_of_shared(const std::string& path, const std::vector<std::string>& inherited);

}  // namespace allcores::interpreter
