// A library with a static object, which says when it goes.
#include <unistd.h>

namespace {
struct object {
    object() : made(1) {}
    ~object() {
        if (write(1, "gone\n", 5) < 0) made = 0;
    }
    int made;
};
object the_object;

int called;
__attribute__((constructor)) void call(int count, char** arguments, char** names) {
    called = count > 0 && arguments[0] != nullptr && names != nullptr ? 1 : -1;
}
}  // namespace

extern "C" int made_and_called() {
    return the_object.made * 10 + called;
}
