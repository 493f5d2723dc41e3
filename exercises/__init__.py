"""The exercises of the notebooks, for learners and teachers.

checks       what each exercise's cell calls: right, or what is wrong
classroom    for teachers: the student edition, and marks for a folder of submissions
submission   the process in which one submission's answers run
TEACHING.md  the teacher's sheet: goals, wrong answers to expect, questions to discuss
"""
