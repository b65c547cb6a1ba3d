// Libraries of the system that interpreters must not share.
//
// Most can be used by several interpreters at once, as they can by several threads. Some can't:
// what their users share is guarded by a lock of each interpreter's extension, or has callbacks
// that lead into one interpreter. Those get images, and with them every library that needs one.
//
// Callable from any thread, with or without a GIL.
#pragma once
#include <optional>
#include <string>

namespace allcores::interpreter {

// What the linker means by `name` (or by a path), when it is on the list or needs one that is: its
// path. Null when it may be shared, and when the linker does not find it. What has no folder is
// loaded for that, as the user would load it, and stays.
std::optional<std::string> system_library_to_copy(const std::string& name);

}  // namespace allcores::interpreter
