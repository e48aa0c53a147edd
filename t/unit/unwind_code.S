
/* Code with no CFI, and code whose CFI says odd things.  x86_64. */

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
    call    ngx_http_profiling_unwind_here
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
    call    ngx_http_profiling_unwind_here
    addq    $56, %rsp
    .cfi_def_cfa_offset 8
    ret
    .cfi_endproc
    .size   unwind_code_callee, . - unwind_code_callee

    .bss
    .balign 8
    .globl  unwind_code_scratch_return
    .type   unwind_code_scratch_return, @object
unwind_code_scratch_return:
    .zero   8
    .size   unwind_code_scratch_return, 8

#endif

    .section .note.GNU-stack, "", @progbits
