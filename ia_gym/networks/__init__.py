"""Networks (PyTorch), their optimizer, and the files that they are saved in.

- ``context_network.py``: the interface of networks that answer questions about facts.
- ``answer_network.py``: the transformer that does; ``answer_mlp.py``: a plain MLP.
- ``blocks.py``: the blocks of the transformer; ``relational_attention.py``: a variant that is given
  which tokens are equal.
- ``digits.py``: symbols read and written as two digits.
- ``human_predictor.py``: a model of the overseer; ``learned_overseer.py``: that model in the
  overseer's place.
- ``reward_model.py``: a model of the overseer's judgement, and its loss.
- ``network_assistant.py``: a network as the assistant that answers sub-questions.
- ``averaging.py``: Polyak averages and copies of networks.
- ``encoding_cache.py``: encoded facts kept from batch to batch.
- ``optimizers.py``: MuonAdamW.
- ``tensor_files.py``: safetensors files with settings and a fingerprint.
"""
