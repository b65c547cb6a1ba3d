#include "interpreter/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "interpreter/process.h"

namespace allcores::interpreter {

int write_whole(int descriptor, const char* bytes, std::size_t size) {
    const std::lock_guard lock(process::get().output);
    while (size > 0) {
        const ssize_t written = write(descriptor, bytes, size);
        if (written >= 0) {
            bytes += written;
            size -= static_cast<std::size_t>(written);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            pollfd ready{descriptor, POLLOUT, 0};
            poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

}  // namespace allcores::interpreter
