"""The exercises of the notebooks, for learners and teachers.

checks       the checks that the exercises' cells call
classroom    for teachers: the commands, and marking
editions     the student edition, as a folder or as assignments for nbgrader
faulty       a ResNet-50 with two faults, for notebook 03
grad_cam     Grad-CAM's channel weights, for notebook 05
submission   the process that runs one submission's answers
TEACHING.md  the teacher's sheet: goals, wrong answers to expect, questions to discuss
"""
