
/* Code with no CFI, and code whose CFI says odd things. */

#if defined(__x86_64__)

    .text

    .globl  unwind_code_frame_pointer
    .type   unwind_code_frame_pointer, @function
unwind_code_frame_pointer:
    pushq   %rbp
    movq    %rsp, %rbp
    subq    $256, %rsp
    movl    $100000, %ecx
1:
    movq    %rcx, -64(%rbp)
    decl    %ecx
    jnz     1b
    leave
    ret
    .size   unwind_code_frame_pointer, . - unwind_code_frame_pointer

    .globl  unwind_code_leaf
    .type   unwind_code_leaf, @function
unwind_code_leaf:
    movl    $100000, %ecx
1:
    decl    %ecx
    jnz     1b
    ret
    .size   unwind_code_leaf, . - unwind_code_leaf

    /* neither at the stack pointer nor by a frame pointer, which is wrong */

    .globl  unwind_code_nothing
    .type   unwind_code_nothing, @function
unwind_code_nothing:
    pushq   %rbp
    pushq   %rbx
    subq    $1000, %rsp

    /* a scan cannot tell an old return address in a local from a live one */
    movq    %rsp, %rdi
    xorl    %eax, %eax
    movl    $125, %ecx
    rep stosq

    leaq    -8(%rsp), %rbp
    movl    $100000, %ecx
1:
    decl    %ecx
    jnz     1b
    addq    $1000, %rsp
    popq    %rbx
    popq    %rbp
    ret
    .size   unwind_code_nothing, . - unwind_code_nothing

    /*
     * Calls what aligns its frame, which a register leads out of; here a frame
     * pointer leads past this very function.
     */

    .globl  unwind_code_aligned
    .type   unwind_code_aligned, @function
unwind_code_aligned:
    pushq   %rbp
    movq    %rsp, %rbp
    subq    $64, %rsp
    call    unwind_code_align
    leave
    ret
    .size   unwind_code_aligned, . - unwind_code_aligned

    .type   unwind_code_align, @function
unwind_code_align:
    leaq    (%rsp), %r10
    subq    $0x108, %rsp
    andq    $-16, %rsp
    movl    $10, %ecx
1:
    movq    %rcx, (%rsp)
    decl    %ecx
    jnz     1b
    leaq    (%r10), %rsp
    ret
    .size   unwind_code_align, . - unwind_code_align

    /* interrupted in a system call, which keeps r9 */

    .globl  unwind_code_scratch_cfa
    .type   unwind_code_scratch_cfa, @function
unwind_code_scratch_cfa:
    .cfi_startproc
    movq    (%rsp), %rax
    movq    %rax, unwind_code_scratch_return(%rip)
    movq    %rsp, %r9
    .cfi_def_cfa %r9, 8
    subq    $512, %rsp
    andq    $-64, %rsp
    movl    $39, %eax
    syscall
    movl    %eax, %edi
    movl    $10, %esi
    movl    $62, %eax
    syscall
    movq    %r9, %rsp
    .cfi_def_cfa %rsp, 8
    ret
    .cfi_endproc
    .size   unwind_code_scratch_cfa, . - unwind_code_scratch_cfa

    /* (a, b, c, call): has a and b where the callee saves registers */

    .globl  unwind_code_holds
    .type   unwind_code_holds, @function
unwind_code_holds:
    .cfi_startproc
    pushq   %rbx
    .cfi_def_cfa_offset 16
    .cfi_offset %rbx, -16
    pushq   %r12
    .cfi_def_cfa_offset 24
    .cfi_offset %r12, -24
    subq    $8, %rsp
    .cfi_def_cfa_offset 32
    movq    %rdi, %rbx
    movq    %rsi, %r12
    movq    %rdx, %rdi
    movq    %rcx, %rsi
    call    unwind_code_saves
    addq    $8, %rsp
    .cfi_def_cfa_offset 24
    popq    %r12
    .cfi_def_cfa_offset 16
    popq    %rbx
    .cfi_def_cfa_offset 8
    ret
    .cfi_endproc
    .size   unwind_code_holds, . - unwind_code_holds

    /* (c, call): saves both registers, and writes to the second one alone */

    .type   unwind_code_saves, @function
unwind_code_saves:
    .cfi_startproc
    pushq   %rbx
    .cfi_def_cfa_offset 16
    .cfi_offset %rbx, -16
    pushq   %r12
    .cfi_def_cfa_offset 24
    .cfi_offset %r12, -24
    subq    $8, %rsp
    .cfi_def_cfa_offset 32
    movq    %rdi, %r12
    call    *%rsi
    addq    $8, %rsp
    .cfi_def_cfa_offset 24
    popq    %r12
    .cfi_def_cfa_offset 16
    popq    %rbx
    .cfi_def_cfa_offset 8
    ret
    .cfi_endproc
    .size   unwind_code_saves, . - unwind_code_saves

    /* (ra, stack, pcs, max, result): walks while ra is its return address */

    .globl  unwind_code_walk_with_return
    .type   unwind_code_walk_with_return, @function
unwind_code_walk_with_return:
    .cfi_startproc
    pushq   %rbx
    .cfi_def_cfa_offset 16
    .cfi_offset %rbx, -16
    movq    8(%rsp), %rbx
    movq    %rdi, 8(%rsp)
    movq    %rsi, %rdi
    movq    %rdx, %rsi
    movq    %rcx, %rdx
    xorl    %ecx, %ecx
    xorl    %r9d, %r9d
    call    ngx_prof_unwind_here
    movq    %rbx, 8(%rsp)
    popq    %rbx
    .cfi_def_cfa_offset 8
    ret
    .cfi_endproc
    .size   unwind_code_walk_with_return, . - unwind_code_walk_with_return

    /* (stack, pcs, max, result): a call is the function's last instruction */

    .globl  unwind_code_last_call
    .type   unwind_code_last_call, @function
unwind_code_last_call:
    .cfi_startproc
    subq    $40, %rsp
    .cfi_def_cfa_offset 48
    call    unwind_code_callee
    .cfi_endproc
    .size   unwind_code_last_call, . - unwind_code_last_call

    .globl  unwind_code_after
    .type   unwind_code_after, @function
unwind_code_after:
    .cfi_startproc
    nop
    ret
    .cfi_endproc
    .size   unwind_code_after, . - unwind_code_after

    .type   unwind_code_callee, @function
unwind_code_callee:
    .cfi_startproc
    subq    $8, %rsp
    .cfi_def_cfa_offset 16
    movq    %rcx, %r8
    xorl    %ecx, %ecx
    xorl    %r9d, %r9d
    call    ngx_prof_unwind_here
    addq    $56, %rsp
    .cfi_def_cfa_offset 8
    ret
    .cfi_endproc
    .size   unwind_code_callee, . - unwind_code_callee

#else

    .text

    /*
     * helpers before it and behind it leave an address of its own in the link
     * register, which is before the rest of the loop and behind its start
     */
1:
    ret

    .globl  unwind_code_frame_pointer
    .type   unwind_code_frame_pointer, %function
unwind_code_frame_pointer:
    stp     x29, x30, [sp, #-272]!
    mov     x29, sp
    mov     w9, #34464
    movk    w9, #1, lsl #16
2:
    str     x9, [sp, #64]
    bl      3f
    subs    w9, w9, #1
    bl      1b
    b.ne    2b
    ldp     x29, x30, [sp], #272
    ret
    .size   unwind_code_frame_pointer, . - unwind_code_frame_pointer
3:
    nop
    ret

    .globl  unwind_code_leaf
    .type   unwind_code_leaf, %function
unwind_code_leaf:
    mov     w9, #34464
    movk    w9, #1, lsl #16
1:
    subs    w9, w9, #1
    b.ne    1b
    ret
    .size   unwind_code_leaf, . - unwind_code_leaf

    /* neither in the link register nor by a frame pointer, which is wrong */

    .globl  unwind_code_nothing
    .type   unwind_code_nothing, %function
unwind_code_nothing:
    stp     x29, x30, [sp, #-16]!
    sub     sp, sp, #1008

    /* a scan cannot tell an old frame record in a local from a live one */
    mov     x9, sp
    mov     w10, #63
1:
    stp     xzr, xzr, [x9], #16
    subs    w10, w10, #1
    b.ne    1b

    mov     x30, xzr
    sub     x29, sp, #8
    mov     w9, #34464
    movk    w9, #1, lsl #16
1:
    subs    w9, w9, #1
    b.ne    1b
    add     sp, sp, #1008
    ldp     x29, x30, [sp], #16
    ret
    .size   unwind_code_nothing, . - unwind_code_nothing

    /*
     * Calls what keeps its link register without a frame record, while the
     * frame pointer leads past this very function.
     */

    .globl  unwind_code_aligned
    .type   unwind_code_aligned, %function
unwind_code_aligned:
    stp     x29, x30, [sp, #-64]!
    mov     x29, sp
    bl      unwind_code_align
    ldp     x29, x30, [sp], #64
    ret
    .size   unwind_code_aligned, . - unwind_code_aligned

    .type   unwind_code_align, %function
unwind_code_align:
    str     x30, [sp, #-16]!
    sub     sp, sp, #272
    mov     x30, xzr
    mov     w9, #10
1:
    str     x9, [sp]
    subs    w9, w9, #1
    b.ne    1b
    add     sp, sp, #272
    ldr     x30, [sp], #16
    ret
    .size   unwind_code_align, . - unwind_code_align

    /* interrupted in a system call, which keeps x9 */

    .globl  unwind_code_scratch_cfa
    .type   unwind_code_scratch_cfa, %function
unwind_code_scratch_cfa:
    .cfi_startproc
    adrp    x10, unwind_code_scratch_return
    str     x30, [x10, #:lo12:unwind_code_scratch_return]
    mov     x9, sp
    .cfi_def_cfa x9, 0
    sub     x10, x9, #512
    and     sp, x10, #-64
    mov     x8, #172
    svc     #0
    mov     x1, #10
    mov     x8, #129
    svc     #0
    mov     sp, x9
    .cfi_def_cfa sp, 0
    ret
    .cfi_endproc
    .size   unwind_code_scratch_cfa, . - unwind_code_scratch_cfa

    /* (ra, stack, pcs, max, result): walks while ra is its return address */

    /* (a, b, c, call): has a and b where the callee saves registers */

    .globl  unwind_code_holds
    .type   unwind_code_holds, @function
unwind_code_holds:
    .cfi_startproc
    stp     x29, x30, [sp, #-32]!
    .cfi_def_cfa_offset 32
    .cfi_offset x29, -32
    .cfi_offset x30, -24
    stp     x19, x20, [sp, #16]
    .cfi_offset x19, -16
    .cfi_offset x20, -8
    mov     x29, sp
    mov     x19, x0
    mov     x20, x1
    mov     x0, x2
    mov     x1, x3
    bl      unwind_code_saves
    ldp     x19, x20, [sp, #16]
    .cfi_restore x19
    .cfi_restore x20
    ldp     x29, x30, [sp], #32
    .cfi_restore x29
    .cfi_restore x30
    .cfi_def_cfa_offset 0
    ret
    .cfi_endproc
    .size   unwind_code_holds, . - unwind_code_holds

    /* (c, call): saves both registers, and writes to the second one alone */

    .type   unwind_code_saves, @function
unwind_code_saves:
    .cfi_startproc
    stp     x29, x30, [sp, #-32]!
    .cfi_def_cfa_offset 32
    .cfi_offset x29, -32
    .cfi_offset x30, -24
    stp     x19, x20, [sp, #16]
    .cfi_offset x19, -16
    .cfi_offset x20, -8
    mov     x29, sp
    mov     x20, x0
    blr     x1
    ldp     x19, x20, [sp, #16]
    .cfi_restore x19
    .cfi_restore x20
    ldp     x29, x30, [sp], #32
    .cfi_restore x29
    .cfi_restore x30
    .cfi_def_cfa_offset 0
    ret
    .cfi_endproc
    .size   unwind_code_saves, . - unwind_code_saves

    .globl  unwind_code_walk_with_return
    .type   unwind_code_walk_with_return, %function
unwind_code_walk_with_return:
    .cfi_startproc
    stp     x29, x30, [sp, #-32]!
    .cfi_def_cfa_offset 32
    .cfi_offset x29, -32
    .cfi_offset x30, -24
    str     x19, [sp, #16]
    .cfi_offset x19, -16
    mov     x29, sp
    mov     x19, x30
    str     x0, [sp, #8]
    mov     x0, x1
    mov     x1, x2
    mov     x2, x3
    mov     x3, xzr
    mov     x5, xzr
    bl      ngx_prof_unwind_here
    mov     x30, x19
    .cfi_register x30, x19
    ldr     x19, [sp, #16]
    .cfi_restore x19
    .cfi_restore x30
    ldr     x29, [sp], #32
    .cfi_restore x29
    .cfi_def_cfa_offset 0
    ret
    .cfi_endproc
    .size   unwind_code_walk_with_return, . - unwind_code_walk_with_return

    /* (stack, pcs, max, result): a call is the function's last instruction */

    .globl  unwind_code_last_call
    .type   unwind_code_last_call, %function
unwind_code_last_call:
    .cfi_startproc
    stp     x29, x30, [sp, #-48]!
    .cfi_def_cfa_offset 48
    .cfi_offset x29, -48
    .cfi_offset x30, -40
    mov     x29, sp
    bl      unwind_code_callee
    .cfi_endproc
    .size   unwind_code_last_call, . - unwind_code_last_call

    .globl  unwind_code_after
    .type   unwind_code_after, %function
unwind_code_after:
    .cfi_startproc
    nop
    ret
    .cfi_endproc
    .size   unwind_code_after, . - unwind_code_after

    .type   unwind_code_callee, %function
unwind_code_callee:
    .cfi_startproc
    stp     x29, x30, [sp, #-16]!
    .cfi_def_cfa_offset 16
    .cfi_offset x29, -16
    .cfi_offset x30, -8
    mov     x29, sp
    mov     x4, x3
    mov     x3, xzr
    mov     x5, xzr
    bl      ngx_prof_unwind_here
    ldp     x29, x30, [sp], #16
    .cfi_restore x29
    .cfi_restore x30
    .cfi_def_cfa_offset 0
    ldp     x29, x30, [sp], #48
    ret
    .cfi_endproc
    .size   unwind_code_callee, . - unwind_code_callee

#endif

    .bss
    .balign 8
    .globl  unwind_code_scratch_return
    .type   unwind_code_scratch_return, %object
unwind_code_scratch_return:
    .zero   8
    .size   unwind_code_scratch_return, 8

    .section .note.GNU-stack, "", @progbits
