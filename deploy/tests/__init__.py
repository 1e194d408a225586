"""What is proven about the platform without an account.

Templates are written without CDK's own validation, which takes seconds an environment; `test_policy.py` asks for it.
The variable is read when CDK's Node process starts, which is when `aws_cdk` is imported.
"""

import os

os.environ["CDK_VALIDATION"] = "false"
