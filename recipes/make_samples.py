"""Make the speech that the package ships: our own sentences, spoken by programs.

    apt-get install espeak-ng flite
    python recipes/make_samples.py

The samples are by eSpeak NG, whose rules speak many languages: each speaker is a voice with a pitch
and a speed; Ogg Opus at 24 kHz. The demonstration is by Flite, whose voices were learned from
people: two of them in turn, as FLAC at the 16 kHz that they have.
"""

import io
import subprocess
from pathlib import Path

import numpy as np
import soundfile
import soxr

ASSETS = Path(__file__).parent.parent / "audiocodec" / "assets"
SAMPLES = ASSETS / "speech_samples"
SAMPLE_RATE = 24_000
PEAK = 0.5

ENGLISH = (
    "The kettle sings before the lamp is lit.",
    "Seven grey boats came home against the wind.",
    "Please leave the garden gate the way you found it.",
    "A codec that forgets the end of a word is no friend of speech.",
    "Quick measurements are cheap, and honest ones are worth the wait.",
)
SPEAKERS = {  # name: (voice, pitch 0-99, words per minute, sentences)
    "en_ada": ("en-us+f3", 55, 165, ENGLISH),
    "en_ben": ("en-gb+m3", 38, 175, ENGLISH),
    "en_cai": ("en-gb-scotland+m7", 25, 150, ENGLISH),
    "en_dee": ("en-us+f5", 70, 185, ENGLISH),
    "de_eva": (
        "de+f2",
        50,
        160,
        (
            "Der Regen klopft die halbe Nacht ans Dach.",
            "Zwölf Boote liegen still im schmalen Hafen.",
            "Wer leise spricht, wird manchmal besser gehört.",
            "Am Abend riecht die Straße nach frischem Brot.",
        ),
    ),
    "fr_guy": (
        "fr+m4",
        42,
        165,
        (
            "Le vieux pont garde le bruit de la rivière.",
            "Deux enfants comptent les lampes de la rue.",
            "Il faut parler doucement quand la neige tombe.",
            "La porte du jardin grince chaque matin.",
        ),
    ),
    "es_ines": (
        "es+f4",
        58,
        170,
        (
            "La luna cruza despacio el patio vacío.",
            "Nueve barcos esperan la marea de la tarde.",
            "Quien escucha con calma aprende dos veces.",
            "El pan caliente llena toda la calle.",
        ),
    ),
    "it_ugo": (
        "it+m2",
        45,
        160,
        (
            "Il mare stasera parla a voce bassa.",
            "Tre finestre restano accese sopra la piazza.",
            "Chi misura bene non ha fretta di vincere.",
            "La nebbia copre i campi fino al fiume.",
        ),
    ),
    "pl_ola": (
        "pl+f1",
        60,
        165,
        (
            "Zegar na wieży bije pięć razy.",
            "Cichy deszcz pada na zielony dach.",
            "Każde słowo zostawia mały ślad.",
        ),
    ),
    "pt_rui": (
        "pt-br+m5",
        35,
        170,
        (
            "O vento traz o cheiro do café.",
            "Seis crianças cantam perto da ponte.",
            "A noite guarda o som de cada passo.",
        ),
    ),
}
DEMO = ASSETS / "demo_speech" / "harbour.flac"
DIALOGUE = (  # voice, what it says
    ("slt", "I did not expect the harbour to be so quiet in the morning; even the gulls sleep."),
    ("rms", "You should have heard it yesterday, when the fishing boats came back from the storm."),
)
PAUSE = 0.35  # seconds before and after each turn


def main() -> None:
    for speaker, (voice, pitch, speed, sentences) in SPEAKERS.items():
        for number, sentence in enumerate(sentences, 1):
            target = SAMPLES / speaker / f"{speaker}_{number:02d}.opus"
            target.parent.mkdir(parents=True, exist_ok=True)
            command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "--stdout"]
            waveform, rate = spoken([*command, sentence])
            waveform = soxr.resample(waveform, rate, SAMPLE_RATE, "HQ")
            waveform *= PEAK / abs(waveform).max()
            soundfile.write(target, waveform, SAMPLE_RATE, format="OGG", subtype="OPUS")
    make_demo()


def make_demo() -> None:
    turns, rate = [], 0
    for voice, sentence in DIALOGUE:
        command = ["flite", "-voice", voice, "-t", sentence, "-o", "/dev/stdout"]
        waveform, rate = spoken(command)
        turns.append(np.pad(PEAK / abs(waveform).max() * waveform, round(PAUSE * rate)))
    DEMO.parent.mkdir(exist_ok=True)
    soundfile.write(DEMO, np.concatenate(turns), rate, subtype="PCM_16")


def spoken(command: list[str]) -> tuple[np.ndarray, int]:
    speech = subprocess.run(command, check=True, capture_output=True).stdout
    return soundfile.read(io.BytesIO(speech), dtype="float32")


if __name__ == "__main__":
    main()
