"""The exercises of the notebooks, for learners and teachers.

checks       what each exercise's cell calls: right, or what is wrong
classroom    for teachers: the commands, and marks for a folder of submissions
editions     the student edition, as a folder or as assignments for nbgrader
submission   the process in which one submission's answers run
TEACHING.md  the teacher's sheet: goals, wrong answers to expect, questions to discuss
"""
