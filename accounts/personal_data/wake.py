"""Who looks for exports to make; apart from those who do, so that whoever asks for one can wake them."""

from typing import Final

from eloquent.foundation.looking import Looker

exports: Final = Looker("exports", every_s=2.0)
