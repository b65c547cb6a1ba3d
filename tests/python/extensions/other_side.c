// A library of the system's: all interpreters share it, and it frees what its callers have made.
#include <stdlib.h>

void* take_from_other(size_t size) {
    return malloc(size);
}
void give_to_other(void* block) {
    free(block);
}
void* grow_in_other(void* block, size_t size) {
    return realloc(block, size);
}
