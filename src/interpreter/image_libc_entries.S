/* The ways into functions that stand for the C library's in images, one for each owner of images
   and each function (image_libc_state.cpp, image_allocation.cpp).

   Calls carry nothing that says whose they are, so each owner has entries of its own, which add
   the owner's number as one more argument. A table of functions made by a template would be as
   large again, of addresses that every process has to relocate. Nothing on the stack changes.

   The number of owners is image_owner::capacity, an entry's size is entry_size of image_libc.cpp.
   (Checked there.) */

#if defined(__x86_64__)
#define ARGUMENT_0 %edi
#define ARGUMENT_1 %esi
#define ARGUMENT_2 %edx
#define ARGUMENT_3 %ecx
#define ARGUMENT_5 %r9d
.macro entry number, argument, target
        movl    $\number, \argument
        jmp     \target
        .balign 16
.endm
#elif defined(__aarch64__)
#define ARGUMENT_0 w0
#define ARGUMENT_1 w1
#define ARGUMENT_2 w2
#define ARGUMENT_3 w3
#define ARGUMENT_5 w5
.macro entry number, argument, target
        mov     \argument, #\number
        b       \target
        .balign 16
.endm
#endif

#if defined(ARGUMENT_0)
.macro entries name, argument
        .hidden allcores_\name
        .hidden allcores_\name\()_entries
        .globl  allcores_\name\()_entries
        .type   allcores_\name\()_entries, %function
        .balign 16
allcores_\name\()_entries:
        .set    owner, 0
        .rept   1024
        entry   owner, \argument, allcores_\name
        .set    owner, owner + 1
        .endr
        .size   allcores_\name\()_entries, . - allcores_\name\()_entries
.endm

        .text
#define IMAGE_LIBC_ENTRIES(name, count) entries name, ARGUMENT_##count
#include "image_libc_entries.inc"
#endif

        .section .note.GNU-stack, "", %progbits
